package rowstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"mmsdispatch/internal/message"
)

// Copy copies rows of a file unchanged, in UTF-8 and without a byte order mark,
// after the header of a table. wanted is called for each row with its index, from
// 0, and its fields.
func Copy(out io.Writer, in io.Reader, isTable bool, wanted func(index int64, fields message.Fields) bool) error {
	rows := rawRows(&rawLines{in: NewLines(in)})
	if isTable {
		table := NewTable(in)
		table.rows.keeps = true
		if wrong := table.Begin(); len(wrong) > 0 {
			return errors.New(wrong[0].Field + ": " + wrong[0].Message)
		}
		if err := writeRow(out, table.rows.raw); err != nil {
			return err
		}
		rows = rawTable{table}
	}
	for index := int64(0); ; index++ {
		fields, raw, err := rows.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read rows: %w", err)
		case !wanted(index, fields):
		default:
			if err := writeRow(out, raw); err != nil {
				return err
			}
		}
	}
}

// rawRows are rows with their source text, which is valid until the next one is
// read.
type rawRows interface {
	next() (message.Fields, []byte, error)
}

type rawTable struct{ table *Table }

func (r rawTable) next() (message.Fields, []byte, error) {
	fields, err := r.table.Next()
	return fields, r.table.rows.raw, err
}

// rawLines are lines of any length, each with a copy of its text.
type rawLines struct{ in *Lines }

func (r *rawLines) next() (message.Fields, []byte, error) {
	for {
		line, err := r.in.whole()
		if len(bytes.TrimSpace(line)) > 0 {
			return message.ReadRow(line), line, nil
		}
		if err != nil {
			return message.Fields{}, nil, err
		}
	}
}

// whole reads a line of any length.
func (l *Lines) whole() ([]byte, error) {
	if !l.opened {
		l.in, l.opened = open(l.in), true
	}
	return l.in.ReadBytes('\n') //nolint:wrapcheck // callers compare with io.EOF
}

func writeRow(out io.Writer, raw []byte) error {
	if !bytes.HasSuffix(raw, []byte{'\n'}) {
		raw = append(raw, '\n')
	}
	if _, err := out.Write(raw); err != nil {
		return fmt.Errorf("write row: %w", err)
	}
	return nil
}
