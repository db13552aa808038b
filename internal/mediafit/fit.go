package mediafit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math"

	"github.com/kovidgoyal/imaging"
	"golang.org/x/sync/semaphore"

	"mmsdispatch/internal/media"
)

const (
	// The qualities of JPEG between which the search is made. Below the lowest a
	// smaller picture looks better.
	qualityMin = 60
	qualityMax = 92
	// attempts bounds the encodings of a picture.
	attempts = 12
	// sideMin is the shortest side that is worth sending.
	sideMin = 16
)

// Result is a media that fits.
type Result struct {
	File

	Data    []byte
	Quality int  // of a JPEG that was encoded; 0: none was
	Colours int  // of an animation that was encoded again; 0: none was
	Frames  int  // of that animation
	Still   bool // an animation was replaced by its first picture
}

// Converted reports whether a picture was encoded.
func (r Result) Converted() bool { return r.Quality > 0 || r.Colours > 0 }

// Fitter makes media fit, few at a time.
type Fitter struct{ pool *semaphore.Weighted }

// New makes a Fitter.
func New() *Fitter { return &Fitter{pool: semaphore.NewWeighted(poolBytes)} }

// Fit returns a file of at most limit bytes that an MMS carries, without metadata
// and upright. claimed is the content type that the file came with. The error is
// ErrType (or ErrHEIC or ErrAVIF), ErrPixels, ErrBroken, ErrTooLarge, or that of ctx.
func (f *Fitter) Fit(ctx context.Context, claimed string, data []byte, limit int64) (Result, error) {
	file, err := Inspect(claimed, data)
	if err != nil {
		return Result{}, err
	}
	if kept, ok := asItIs(file, data, limit); ok {
		return kept, nil
	}
	d, isPicture := decoders[file.Type]
	switch {
	case file.Type == typeHEIC:
		return Result{}, ErrHEIC
	case file.Type == typeAVIF:
		return Result{}, ErrAVIF
	case !isPicture && media.Sendable(media.Info{Type: file.Type}, limit) != nil:
		return Result{}, ErrType
	case !isPicture:
		return Result{}, ErrTooLarge
	}
	animated := file.Type == typeGIF && IsAnimated(data)
	if animated {
		if shrunk, err := f.animate(ctx, data, file, limit); !errors.Is(err, errNotAnimated) {
			return shrunk, err
		}
	}
	found, err := f.still(ctx, d, data, file, limit)
	found.Still = animated
	return found, err
}

// still makes a JPEG of a picture, of the first one of an animation.
func (f *Fitter) still(ctx context.Context, d decoder, data []byte, file File, limit int64) (Result, error) {
	memory, err := memoryOf(file, data)
	if err != nil {
		return Result{}, err
	}
	if err := f.pool.Acquire(ctx, memory); err != nil {
		return Result{}, fmt.Errorf("wait for a turn: %w", err)
	}
	defer f.pool.Release(memory)
	return guard(func() (Result, error) {
		decoded, err := d.decode(bytes.NewReader(data))
		if err != nil {
			return Result{}, fmt.Errorf("%w: %w", ErrBroken, err)
		}
		turned := 0
		if file.Type == typeJPEG {
			turned = jpegOrientation(data)
		}
		return shrink(ctx, decoded, turned, limit)
	})
}

// asItIs is a file that fits without being encoded again.
func asItIs(file File, data []byte, limit int64) (Result, bool) {
	switch {
	case media.Sendable(media.Info{Type: file.Type}, limit) != nil, file.Type == typeWebP:
		return Result{}, false // not all carriers take WebP
	case file.Type == typeJPEG && jpegOrientation(data) > 1:
		return Result{}, false
	}
	stripped := WithoutMetadata(file.Type, data)
	return Result{File: file, Data: stripped}, int64(len(stripped)) <= limit
}

// jpegOrientation is the orientation of a JPEG; 0: it says none.
func jpegOrientation(data []byte) int {
	if len(data) < 2 {
		return 0
	}
	for rest := data[2:]; ; {
		marker, segment, after, ok := nextSegment(rest)
		if !ok || marker == markerSOS || marker == markerEOI {
			return 0
		}
		if marker == markerAPP1 {
			if turned := orientation(segment[segmentHead:]); turned > 0 {
				return turned
			}
		}
		rest = after
	}
}

// shrink finds the best JPEG of a picture that fits: at full size with as high a
// quality as possible, or smaller when that would look too bad.
func shrink(ctx context.Context, source image.Image, turned int, limit int64) (Result, error) {
	size, scale := source.Bounds().Size(), 1.0
	part := sample(source)
	for range attempts {
		if err := ctx.Err(); err != nil {
			return Result{}, fmt.Errorf("shrink: %w", err)
		}
		width, height := scaled(size.X, scale), scaled(size.Y, scale)
		if scale < 1 && min(width, height) < sideMin {
			return Result{}, ErrTooLarge
		}
		picture := opaque(resized(source, width, height))
		quality, estimate := bestQuality(picture, limit)
		if estimate <= limit {
			data, used, err := encodeWithin(picture, quality, limit, turned)
			if err != nil {
				return Result{}, err
			}
			if data != nil {
				if turned > 4 { //nolint:mnd // these orientations exchange width and height
					width, height = height, width
				}
				return Result{File: File{Type: typeJPEG, Width: width, Height: height}, Data: data, Quality: used}, nil
			}
			estimate = limit + limit/8 //nolint:mnd // a little too large
		}
		scale = smallerStill(part, size, scale*lessBy(limit, estimate), limit)
	}
	return Result{}, ErrTooLarge
}

// lessBy is by how much the sides of a picture shrink so that it fits that would take
// estimate bytes.
func lessBy(limit, estimate int64) float64 {
	const shy, most = 0.97, 0.25 // not too small at once
	return max(most, min(shy, math.Sqrt(float64(limit)/float64(estimate))*shy))
}

// smallerStill is a scale, at most the given one, with which a picture of a size fits with the
// lowest quality, as a part of it shows: resizing the whole takes long.
func smallerStill(part image.Image, size image.Point, scale float64, limit int64) float64 {
	if part.Bounds().Size() == size {
		return scale // the part is the whole
	}
	factor := float64(size.X) * float64(size.Y) / (float64(part.Bounds().Dx()) * float64(part.Bounds().Dy()))
	for range attempts {
		width, height := scaled(part.Bounds().Dx(), scale), scaled(part.Bounds().Dy(), scale)
		if min(width, height) < sideMin {
			break
		}
		var out bytes.Buffer
		_ = jpeg.Encode(&out, opaque(resized(part, width, height)), &jpeg.Options{Quality: qualityMin}) // a buffer takes everything
		estimate := headBytes + int64(float64(max(0, out.Len()-headBytes))*factor)
		if estimate <= limit {
			break
		}
		scale *= lessBy(limit, estimate)
	}
	return scale
}

func scaled(side int, scale float64) int { return max(1, int(math.Round(float64(side)*scale))) }

func resized(source image.Image, width, height int) image.Image {
	if source.Bounds().Dx() == width && source.Bounds().Dy() == height {
		return source
	}
	return imaging.Resize(source, width, height, imaging.Lanczos)
}

// opaque puts a picture on white where it is transparent. The encoder is fastest
// with the types that come back.
func opaque(picture image.Image) image.Image {
	switch p := picture.(type) {
	case *image.YCbCr, *image.Gray:
		return p
	case *image.NRGBA:
		if p.Opaque() {
			return &image.RGBA{Pix: p.Pix, Stride: p.Stride, Rect: p.Rect}
		}
	}
	flat := image.NewRGBA(image.Rect(0, 0, picture.Bounds().Dx(), picture.Bounds().Dy()))
	draw.Draw(flat, flat.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(flat, flat.Rect, picture, picture.Bounds().Min, draw.Over)
	return flat
}

// encodeWithin encodes a picture upright, with a lower quality where the estimate
// was too good. data is nil when it does not fit.
func encodeWithin(picture image.Image, quality int, limit int64, turned int) (data []byte, used int, err error) {
	const step = 4
	picture = opaque(upright(picture, turned))
	for ; quality >= qualityMin; quality -= step {
		var out bytes.Buffer
		if err := jpeg.Encode(&out, picture, &jpeg.Options{Quality: quality}); err != nil {
			return nil, 0, fmt.Errorf("%w: %w", ErrBroken, err)
		}
		if int64(out.Len()) <= limit {
			return out.Bytes(), quality, nil
		}
	}
	return nil, 0, nil
}

// upright rotates a picture by its EXIF orientation (CIPA DC-008, 4.6.4).
func upright(picture image.Image, turned int) image.Image {
	turns := []func(image.Image) image.Image{
		2: imaging.FlipH, 3: imaging.Rotate180, 4: imaging.FlipV, 5: imaging.Transpose,
		6: imaging.Rotate270, 7: imaging.Transverse, 8: imaging.Rotate90,
	}
	if turned < 2 || turned >= len(turns) {
		return picture
	}
	return turns[turned](picture)
}

const (
	tileSide = 64
	// headBytes is what a JPEG has besides its picture.
	headBytes = 700
)

// sample is a part of a picture that stands for it: tiles spread evenly.
func sample(picture image.Image) image.Image {
	const part = 4 // of each side
	b := picture.Bounds()
	columns, rows := b.Dx()/(part*tileSide), b.Dy()/(part*tileSide)
	if columns < 2 || rows < 2 {
		return picture
	}
	tiles := image.NewRGBA(image.Rect(0, 0, columns*tileSide, rows*tileSide))
	for y := range rows {
		for x := range columns {
			at := image.Pt(x*tileSide, y*tileSide)
			draw.Draw(tiles, image.Rectangle{at, at.Add(image.Pt(tileSide, tileSide))}, picture, b.Min.Add(at.Mul(part)), draw.Src)
		}
	}
	return tiles
}

// bestQuality estimates the highest quality with which a picture fits, from a
// sample of it, and how large it is then; more than limit: it fits with none.
func bestQuality(picture image.Image, limit int64) (quality int, estimate int64) {
	part := sample(picture)
	area := func(m image.Image) float64 { return float64(m.Bounds().Dx()) * float64(m.Bounds().Dy()) }
	factor := area(picture) / area(part)
	size := func(quality int) int64 {
		var out bytes.Buffer
		_ = jpeg.Encode(&out, part, &jpeg.Options{Quality: quality}) // a buffer takes everything
		return headBytes + int64(float64(max(0, out.Len()-headBytes))*factor)
	}
	low, high := qualityMin, qualityMax
	if estimate = size(low); estimate > limit {
		return low, estimate
	}
	for low < high {
		middle := (low + high + 1) / 2
		if got := size(middle); got <= limit {
			low, estimate = middle, got
		} else {
			high = middle - 1
		}
	}
	return low, estimate
}

// IsAnimated reports whether a file is a GIF of several pictures, by its blocks alone.
func IsAnimated(data []byte) bool { return scanGIF(data, 2).pictures > 1 }

// gifBlocks are the pictures of a GIF.
type gifBlocks struct {
	pictures int
	pixels   int64 // of all together, as they are stored
}

// scanGIF counts the pictures of a GIF by its blocks, as the decoder will read them, up to
// enough.
func scanGIF(data []byte, enough int) (found gifBlocks) {
	const head, flags, tableFlag, tableBits = 13, 10, 0x80, 7
	if len(data) < head || !bytes.HasPrefix(data, []byte("GIF8")) {
		return found
	}
	table := func(packed byte) int {
		if packed&tableFlag == 0 {
			return 0
		}
		return 3 << (packed&tableBits + 1) //nolint:mnd // bytes of a colour
	}
	for at := head + table(data[flags]); at+1 < len(data) && found.pictures < enough; {
		switch data[at] {
		case '!': // an extension: label, then blocks
			at = skipBlocks(data, at+2)
		case ',': // a picture: descriptor, table, code size, then blocks
			const descriptor, width, height = 10, 5, 7
			found.pictures++
			if at+descriptor > len(data) {
				return found
			}
			found.pixels += int64(binary.LittleEndian.Uint16(data[at+width:])) * int64(binary.LittleEndian.Uint16(data[at+height:]))
			at = skipBlocks(data, at+descriptor+table(data[at+descriptor-1])+1)
		default:
			return found
		}
	}
	return found
}

func skipBlocks(data []byte, at int) int {
	for at < len(data) && data[at] != 0 {
		at += int(data[at]) + 1
	}
	return at + 1
}

// IsRefusal reports whether an error says that a file can never be made to fit.
func IsRefusal(err error) bool {
	return errors.Is(err, ErrType) || errors.Is(err, ErrPixels) || errors.Is(err, ErrBroken) ||
		errors.Is(err, ErrTooLarge) || errors.Is(err, errPanic)
}
