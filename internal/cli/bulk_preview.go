package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"strings"
)

// previewedRow is a row as it would be sent.
type previewedRow struct {
	To           string  `json:"to"`
	Subject      *string `json:"subject"`
	Text         *string `json:"text"`
	FallbackText *string `json:"fallbackText"`
}

// errNotSent is the error of a file that was not to be sent.
var errNotSent = errors.New("nothing was sent: answer y, or give --yes")

// confirm shows what the file would become, and asks whether to send it. With --yes
// it does not ask.
func (b *bulk) confirm(ctx context.Context, query url.Values) error {
	dry := *b
	dry.dryRun = true
	query = maps.Clone(query)
	query.Set("dryRun", "true")
	answer, err := dry.sendUntilAccepted(ctx, query)
	if err != nil {
		return err
	}
	b.showPreview(answer.bulkAnswer)
	if answer.Accepted == 0 {
		return errors.New("nothing was sent: every row would be rejected; --dry-run writes the reasons")
	}
	if b.yes {
		return nil
	}
	fmt.Fprintf(b.log, "send %s? [y/N] ", messageCount(answer.Accepted))
	line, err := bufio.NewReader(b.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if reply := strings.ToLower(strings.TrimSpace(line)); reply != "y" && reply != "yes" {
		return errNotSent
	}
	return nil
}

// showPreview prints the first rows as they would be sent, and how many wait for the
// end of quiet hours.
func (b *bulk) showPreview(answer bulkAnswer) {
	for _, row := range answer.Preview {
		fmt.Fprintf(b.out, "to %s\n", row.To)
		for _, field := range []struct {
			name string
			text *string
		}{{"subject", row.Subject}, {textField, row.Text}, {"fallback", row.FallbackText}} {
			if field.text != nil {
				fmt.Fprintf(b.out, "  %-8s %s\n", field.name, strings.ReplaceAll(*field.text, "\n", "\n           "))
			}
		}
	}
	if answer.Rejected > 0 {
		fmt.Fprintf(b.out, "%s would be rejected\n", rowCount(answer.Rejected))
	}
	if answer.Held > 0 && answer.HeldUntil != nil {
		until := answer.HeldUntil.Local() //nolint:gosmopolitan // shown to the person at this machine
		if b.zone != nil {
			until = until.In(b.zone)
		}
		fmt.Fprintf(b.out, "%s would wait for the end of quiet hours, the last until %s\n",
			messageCount(answer.Held), until.Format("2006-01-02 15:04 MST"))
	}
}

// previewed are the rows that a dry run shows: of a template alone, since the others
// stand in the file.
func (b *bulk) previewed(answer bulkOutcome) []previewedRow {
	if !b.template {
		return nil
	}
	return answer.Preview
}

// messageCount formats a number of messages.
func messageCount(n int64) string {
	if n == 1 {
		return "1 message"
	}
	return fmt.Sprintf("%d messages", n)
}
