package cli

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/rowstream"
)

// prepare reads the file before any row is sent: it refuses a table in which the
// end of a row cannot be found, counts the rows with the number of an earlier
// row, and with --unique copies the file without them. release removes the copy.
func (b *bulk) prepare() (release func(), err error) {
	b.source, release = b.file, func() {}
	if b.unique {
		if release, err = b.copyUnique(); err != nil {
			return nil, err
		}
		return release, nil
	}
	repeated, err := b.countRepeated()
	if err != nil {
		return nil, err
	}
	if repeated > 0 {
		fmt.Fprintf(b.log, "%s %s to a number that an earlier row has: with --unique they are omitted\n",
			rowCount(repeated), goes(repeated))
	}
	return release, nil
}

func goes(rows int64) string {
	if rows == 1 {
		return "goes"
	}
	return "go"
}

// sum hashes the file that is sent, short enough for a reference.
func (b *bulk) sum() (string, error) {
	file, err := os.Open(b.source)
	if err != nil {
		return "", fmt.Errorf("open rows: %w", err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", fmt.Errorf("read rows: %w", err)
	}
	const chars = 40
	return hex.EncodeToString(hash.Sum(nil))[:chars], nil
}

func (b *bulk) isTable() bool { return strings.EqualFold(filepath.Ext(b.file), ".csv") }

// rowReader reads the rows of a file.
type rowReader interface {
	Begin() []message.FieldError
	Next() (message.Fields, error)
}

// countRepeated counts the rows with the number of an earlier row. A table that
// the api could not read to its end is an error here: the corrected file would be
// another batch, and its first rows would be sent twice. The api reports all
// other problems.
func (b *bulk) countRepeated() (repeated int64, err error) {
	file, err := os.Open(b.file)
	if err != nil {
		return 0, fmt.Errorf("open rows: %w", err)
	}
	defer file.Close()
	rows := rowReader(rowstream.NewLines(file))
	if b.isTable() {
		rows = rowstream.NewTable(file)
	}
	if len(rows.Begin()) > 0 {
		return 0, nil
	}
	var numbers rowstream.Numbers
	for {
		fields, err := rows.Next()
		switch {
		case errors.Is(err, io.EOF):
			return repeated, nil
		case err != nil:
			return 0, fmt.Errorf("nothing was sent: %w", err)
		case b.isRepeated(&numbers, fields):
			repeated++
		}
	}
}

// isRepeated reports whether an earlier row has the same number, in any notation.
func (b *bulk) isRepeated(numbers *rowstream.Numbers, fields message.Fields) bool {
	to := fields.Text("to")
	if to == nil {
		return false
	}
	number, _, ok := message.NormalizePhone(*to, b.region)
	return ok && numbers.Add(number)
}

// copyUnique writes the rows without those with the number of an earlier row to a
// file. That file is the batch: the reference is derived from its content.
func (b *bulk) copyUnique() (release func(), err error) {
	file, err := os.Open(b.file)
	if err != nil {
		return nil, fmt.Errorf("open rows: %w", err)
	}
	defer file.Close()
	unique, err := os.CreateTemp("", "mmsctl-bulk-*"+filepath.Ext(b.file)) // for its owner only
	if err != nil {
		return nil, fmt.Errorf("write a file without repeated numbers: %w", err)
	}
	release = func() { _ = os.Remove(unique.Name()) }
	var numbers rowstream.Numbers
	repeated := int64(0)
	buffered := bufio.NewWriter(unique)
	err = rowstream.Copy(buffered, file, b.isTable(), func(_ int64, fields message.Fields) bool {
		again := b.isRepeated(&numbers, fields)
		if again {
			repeated++
		}
		return !again
	})
	if err = errors.Join(err, buffered.Flush(), unique.Close()); err != nil {
		release()
		return nil, fmt.Errorf("nothing was sent: %w", err)
	}
	b.source = unique.Name()
	fmt.Fprintf(b.log, "%s to a number that an earlier row has: omitted\n", rowCount(repeated))
	return release, nil
}
