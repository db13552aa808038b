package mediastore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// FileBlobs keeps blobs in a folder, which all processes share.
type FileBlobs struct{ root *os.Root }

// NewFileBlobs opens the folder, and makes it if it is not there.
func NewFileBlobs(dir string) (*FileBlobs, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("media folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("media folder: %w", err)
	}
	return &FileBlobs{root: root}, nil
}

// Close closes the folder.
func (f *FileBlobs) Close() error { return f.root.Close() } //nolint:wrapcheck // one call

// place spreads blobs over subfolders.
func place(name string) (dir, file string) {
	dir = name[len(idPrefix) : len(idPrefix)+2]
	return dir, filepath.Join(dir, name)
}

// Put implements Blobs. A file has its name once it is complete on the disk.
func (f *FileBlobs) Put(_ context.Context, name string, data []byte) (err error) {
	dir, file := place(name)
	if err := f.root.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %w", ErrBlobs, err)
	}
	partial := file + ".part"
	out, err := f.root.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBlobs, err)
	}
	_, err = out.Write(data)
	err = errors.Join(err, out.Sync(), out.Close())
	if err == nil {
		err = f.root.Rename(partial, file)
	}
	if err != nil {
		_ = f.root.Remove(partial)
		return fmt.Errorf("%w: %w", ErrBlobs, err)
	}
	return nil
}

// Get implements Blobs.
func (f *FileBlobs) Get(_ context.Context, name string) ([]byte, error) {
	_, file := place(name)
	data, err := f.root.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBlobs, err)
	}
	return data, nil
}

// Delete implements Blobs. A file that a process left incomplete goes, too.
func (f *FileBlobs) Delete(_ context.Context, name string) error {
	_, file := place(name)
	for _, one := range []string{file, file + ".part"} {
		if err := f.root.Remove(one); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %w", ErrBlobs, err)
		}
	}
	return nil
}
