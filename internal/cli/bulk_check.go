package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"mmsdispatch/internal/rowstream"
)

// examine reads the file through before a row of it is sent. It returns a hash of
// it, short enough for a reference. A table that the api could not read to its end
// is refused here: mended, it would be another batch, and its first rows would go
// out twice. A line that is no message spoils no other, and is left to the api.
func (b *bulk) examine() (sum string, err error) {
	file, err := os.Open(b.file)
	if err != nil {
		return "", fmt.Errorf("open rows: %w", err)
	}
	defer file.Close()
	hash := sha256.New()
	in := io.TeeReader(file, hash)
	if b.isTable() {
		if err := checkTable(in); err != nil {
			return "", fmt.Errorf("nothing was sent: %w", err)
		}
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return "", fmt.Errorf("read rows: %w", err)
	}
	const chars = 40
	return hex.EncodeToString(hash.Sum(nil))[:chars], nil
}

func (b *bulk) isTable() bool { return strings.EqualFold(filepath.Ext(b.file), ".csv") }

// checkTable looks for the end of every row, as the api does. What is wrong with
// the header the api says before it takes a row.
func checkTable(in io.Reader) error {
	table := rowstream.NewTable(in)
	if len(table.Begin()) > 0 {
		return nil
	}
	for {
		_, err := table.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
