package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/rowstream"
)

// rejectedPaths are the paths of the rejected rows and of their problems.
func (b *bulk) rejectedPaths() (rows, problems string) {
	ext := filepath.Ext(b.file)
	name := strings.TrimSuffix(b.file, ext)
	return name + ".rejected" + ext, name + ".errors.ndjson"
}

// dropRejected removes the files of an earlier run once no row is rejected. After
// a dry run it keeps them, since rows may have been rejected for other reasons.
func (b *bulk) dropRejected() error {
	if b.dryRun {
		return nil
	}
	rows, problems := b.rejectedPaths()
	corrected, err := b.rejectedChanged()
	if err != nil {
		return err
	}
	stale := []string{rows, problems}
	if corrected {
		fmt.Fprintf(b.out, "%s is kept: it was changed after an earlier run wrote it\n", rows)
		stale = stale[1:]
	}
	for _, path := range stale {
		err := os.Remove(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("remove the rejected rows of an earlier run: %w", err)
		}
		fmt.Fprintf(b.out, "%s of an earlier run is removed\n", path)
	}
	return nil
}

// keepRejected writes the listed rejected rows to a file of the same format, and
// their problems to another. It omits rows refused for lack of room, which the
// next try sends again, and rows of a canceled batch, which are not meant to be
// sent. A repeated file may list duplicates only; the files of the earlier run
// are then kept.
func (b *bulk) keepRejected(answer bulkAnswer) error {
	rejected := slices.DeleteFunc(slices.Clone(answer.Results), func(row bulkRow) bool {
		return !row.wrong()
	})
	others := answer.turnedAway() + answer.count(rowCanceled)
	if len(rejected) == 0 {
		if others == 0 {
			fmt.Fprintln(b.out, "the api lists the first 1,000 rows that it did not accept, and the rejected ones are not among them")
		}
		return nil
	}
	if err := b.keepCorrected(); err != nil {
		return err
	}
	rowsPath, errorsPath := b.rejectedPaths()
	if err := writeFile(rowsPath, func(out io.Writer) error { return b.copyRows(out, rejected) }); err != nil {
		return err
	}
	// Written last: a rows file that is newer than it was changed by hand.
	if err := writeFile(errorsPath, func(out io.Writer) error {
		encoder := json.NewEncoder(out)
		for _, row := range rejected {
			if err := encoder.Encode(row); err != nil {
				return fmt.Errorf("row %d: %w", row.Index, err)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "rejected, and to be corrected: %s in %s, the reasons in %s\n", rowCount(int64(len(rejected))), rowsPath, errorsPath)
	if int64(len(rejected)) < answer.Rejected-others {
		fmt.Fprintln(b.out, "the api lists no more than 1,000 rows that it did not accept: there are more than these")
	}
	return nil
}

// rejectedChanged reports whether the file of rejected rows was changed after an
// earlier run wrote it.
func (b *bulk) rejectedChanged() (bool, error) {
	rows, problems := b.rejectedPaths()
	kept, wrong := os.Stat(rows)
	if errors.Is(wrong, os.ErrNotExist) {
		return false, nil
	}
	errorsFile, err := os.Stat(problems)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err := errors.Join(wrong, err); err != nil {
		return false, fmt.Errorf("check the rejected rows of an earlier run: %w", err)
	}
	return kept.ModTime().After(errorsFile.ModTime()), nil
}

// keepCorrected renames a file of rejected rows that was corrected by hand.
func (b *bulk) keepCorrected() error {
	corrected, err := b.rejectedChanged()
	if err != nil || !corrected {
		return err
	}
	path, _ := b.rejectedPaths()
	ext := filepath.Ext(path)
	for n := 1; ; n++ {
		kept := fmt.Sprintf("%s.%d%s", strings.TrimSuffix(path, ext), n, ext)
		if _, err := os.Lstat(kept); err == nil {
			continue
		}
		if err := os.Rename(path, kept); err != nil {
			return fmt.Errorf("keep the corrected rejected rows: %w", err)
		}
		fmt.Fprintf(b.out, "%s was changed after an earlier run wrote it, and is kept as %s: send only one of the two\n", path, kept)
		return nil
	}
}

// writeFile creates a file that only its owner can read: rows contain numbers.
func writeFile(path string, write func(io.Writer) error) error {
	const ownerOnly = 0o600
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, ownerOnly) //nolint:gosec // in the directory of the given file
	if err != nil {
		return fmt.Errorf("write rejected rows: %w", err)
	}
	buffered := bufio.NewWriter(file)
	if err := errors.Join(write(buffered), buffered.Flush(), file.Close()); err != nil {
		return fmt.Errorf("write rejected rows: %w", err)
	}
	return nil
}

// copyRows copies rows of the file that was sent, after the header of a table.
func (b *bulk) copyRows(out io.Writer, rows []bulkRow) error {
	wanted := make(map[int64]bool, len(rows))
	for _, row := range rows {
		wanted[row.Index] = true
	}
	file, err := os.Open(b.source)
	if err != nil {
		return fmt.Errorf("open rows: %w", err)
	}
	defer file.Close()
	return rowstream.Copy(out, file, b.isTable(), func(index int64, _ message.Fields) bool { return wanted[index] })
}
