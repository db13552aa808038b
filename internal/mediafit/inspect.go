// Package mediafit makes media acceptable to carriers: it recognises files, takes
// their metadata out, and converts and shrinks pictures until they fit.
//
// Files come from strangers. A picture is decoded only when its header claims no
// more than 50 megapixels, in a bounded pool; a decoder that panics fails that
// picture alone.
package mediafit

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"mmsdispatch/internal/media"
)

// maxPixels bounds pictures: 50 megapixels.
const maxPixels = 50_000_000

var (
	// ErrType says that a file is none that an MMS carries, or that can be made into
	// one.
	ErrType = errors.New("unsupported type")
	// ErrHEIC is the ErrType of a HEIC picture (docs/decisions/0015).
	ErrHEIC = fmt.Errorf("%w: HEIC pictures are not converted; give a JPEG, PNG or GIF", ErrType)
	// ErrAVIF is the ErrType of an AVIF picture.
	ErrAVIF = fmt.Errorf("%w: AVIF pictures are not converted; give a JPEG, PNG or GIF", ErrType)
	// ErrPixels says that a picture claims more than 50 megapixels.
	ErrPixels = errors.New("more than 50 megapixels")
	// ErrBroken says that a picture cannot be decoded.
	ErrBroken = errors.New("broken picture")
	// ErrTooLarge says that a file cannot be made to fit.
	ErrTooLarge = errors.New("does not fit")
)

// The content types of pictures.
const (
	typeJPEG = "image/jpeg"
	typePNG  = "image/png"
	typeGIF  = "image/gif"
	typeWebP = "image/webp"
	typeBMP  = "image/bmp"
	typeTIFF = "image/tiff"
	typeHEIC = "image/heic"
	typeAVIF = "image/avif"
)

// decoder reads a format of pictures.
type decoder struct {
	config func(r io.Reader) (image.Config, error)
	decode func(r io.Reader) (image.Image, error)
}

// decoders are those of each content type.
var decoders = map[string]decoder{
	typeJPEG: {jpeg.DecodeConfig, jpeg.Decode},
	typePNG:  {png.DecodeConfig, png.Decode},
	typeGIF:  {gif.DecodeConfig, gif.Decode},
	typeWebP: {webp.DecodeConfig, webp.Decode},
	typeBMP:  {bmp.DecodeConfig, bmp.Decode},
	typeTIFF: {tiff.DecodeConfig, tiff.Decode},
}

// File is what is known of a file.
type File struct {
	Type          string // content type
	Width, Height int    // as the header claims; 0: not a picture that can be decoded
}

// Inspect recognises a file by its bytes; claimed is the content type it came with,
// which decides between types of one container. Nothing is decoded but headers.
// The error is ErrType, ErrBroken or ErrPixels.
func Inspect(claimed string, data []byte) (File, error) {
	contentType, ok := media.Sniff(claimed, data[:min(len(data), sniffed)])
	if !ok {
		return File{}, ErrType
	}
	file := File{Type: contentType}
	d, ok := decoders[contentType]
	if !ok {
		return file, nil
	}
	config, err := guard(func() (image.Config, error) { return d.config(bytes.NewReader(data)) })
	switch {
	case err != nil:
		return File{}, fmt.Errorf("%w: %w", ErrBroken, err)
	case config.Width <= 0 || config.Height <= 0:
		return File{}, ErrBroken
	case int64(config.Width)*int64(config.Height) > maxPixels:
		return File{}, ErrPixels
	}
	file.Width, file.Height = config.Width, config.Height
	return file, nil
}

// sniffed is as much of a file as mimetype looks at.
const sniffed = 4096

// errPanic takes the place of the value of a panic, which may hold anything.
var errPanic = errors.New("the decoder panicked")

// guard turns a panic of a decoder into an error.
func guard[T any](read func() (T, error)) (result T, err error) {
	defer func() {
		if recover() != nil {
			err = errPanic
		}
	}()
	return read()
}
