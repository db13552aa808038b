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

// rejectedPaths are the file of rejected rows, and that of what is wrong with
// them.
func (b *bulk) rejectedPaths() (rows, problems string) {
	ext := filepath.Ext(b.file)
	name := strings.TrimSuffix(b.file, ext)
	return name + ".rejected" + ext, name + ".errors.ndjson"
}

// dropRejected removes what an earlier run left: nothing is rejected any more. A
// dry run proves that of no row that was rejected in earnest.
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
		fmt.Fprintf(b.out, "%s stays: it was changed since an earlier run wrote it\n", rows)
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

// keepRejected writes the rejected rows that the api lists to a file of the same
// form, and their problems to another. Rows that a lane had no room
// for are not among them: they would be sent twice, from here and from the file.
// Neither are those of a batch that was canceled: they are not meant to be sent.
// When a file is sent again, the api may list duplicates only: older files stay
// then.
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
	// Last, so that a file of rows that is newer was changed by hand.
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

// rejectedChanged reports whether the file of rejected rows was changed after a
// run had written it and the file of its problems.
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
		return false, fmt.Errorf("look at the rejected rows of an earlier run: %w", err)
	}
	return kept.ModTime().After(errorsFile.ModTime()), nil
}

// keepCorrected gives a file of rejected rows that was corrected by hand another
// name.
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
			return fmt.Errorf("keep the rejected rows that were changed: %w", err)
		}
		fmt.Fprintf(b.out, "%s was changed since an earlier run wrote it, and is kept as %s: hand over one of the two only\n", path, kept)
		return nil
	}
}

// writeFile makes a file that only its owner reads: rows hold numbers.
func writeFile(path string, write func(io.Writer) error) error {
	const ownerOnly = 0o600
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, ownerOnly) //nolint:gosec // beside the file the caller named
	if err != nil {
		return fmt.Errorf("write rejected rows: %w", err)
	}
	buffered := bufio.NewWriter(file)
	if err := errors.Join(write(buffered), buffered.Flush(), file.Close()); err != nil {
		return fmt.Errorf("write rejected rows: %w", err)
	}
	return nil
}

// copyRows copies rows of the file that was sent; of a table the header, too.
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
