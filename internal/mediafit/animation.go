package mediafit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"math"
	"time"

	"github.com/kovidgoyal/imaging"
)

// An animation beyond these bounds is not decoded: it becomes a still of its first
// picture.
const (
	// framesMost bounds the frames of an animation, and of what is made of it.
	framesMost = 1000
	// storedPixelsMost bounds the pixels of all frames as the file has them, one byte
	// each once decoded.
	storedPixelsMost = 50_000_000
	// canvasPixelsMost bounds the picture on which frames are drawn.
	canvasPixelsMost = 16_000_000
	// shownPixelsMost bounds the pixels of all frames together that are shrunk and
	// encoded in one attempt; of longer animations only every second frame is shown, or
	// fewer.
	shownPixelsMost = 24_000_000
	// animationAttempts bounds how often an animation is encoded, animationTime how long
	// that may take on a busy machine.
	animationAttempts = 12
	animationTime     = 20 * time.Second

	// pixelRGBA is the size of a pixel in memory. The canvas is there five times at
	// most: itself, what it was before a frame that is undone, the frame that is visible,
	// and that one being shrunk, with an intermediate picture.
	pixelRGBA    = 4
	canvasCopies = 5

	// animationSideMin is the shortest side of an animation that is worth sending, unless
	// it was shorter.
	animationSideMin = 64
)

// errNotAnimated says that an animation cannot be made to fit and stay one.
var errNotAnimated = errors.New("the animation does not fit")

// loss is what an animation may lose at most: before it gets any smaller than scale, the
// next loss is tried.
type loss struct {
	colours   int     // of the palette, with the transparent one
	scale     float64 // lowest
	every     int     // one frame of so many is shown
	tolerance int     // difference of a pixel up to which it keeps its colour of the frame before
}

// losses are the steps, the smallest loss first: fewer colours, then smaller frames, then
// fewer frames.
func losses() []loss {
	return []loss{
		{256, 0.8, 1, 0},
		{128, 0.65, 1, 8},
		{64, 0.5, 1, 14},
		{64, 0.4, 2, 18},
		{32, 0.3, 3, 22},
		{32, 0.15, 4, 26},
	}
}

// animate makes an animation fit that stays one. The error is errNotAnimated, or that of ctx.
func (f *Fitter) animate(ctx context.Context, data []byte, file File, limit int64) (Result, error) {
	blocks := scanGIF(data, framesMost+1)
	canvas := int64(file.Width) * int64(file.Height)
	if blocks.pictures > framesMost || blocks.pixels > storedPixelsMost || canvas > canvasPixelsMost {
		return Result{}, errNotAnimated
	}
	memory := blocks.pixels + canvas*pixelRGBA*canvasCopies + shownPixelsMost
	if err := f.pool.Acquire(ctx, memory); err != nil {
		return Result{}, fmt.Errorf("wait for a turn: %w", err)
	}
	defer f.pool.Release(memory)
	within, cancel := context.WithTimeout(ctx, animationTime)
	defer cancel()
	result, err := guard(func() (Result, error) {
		source, err := gif.DecodeAll(bytes.NewReader(data))
		if err != nil {
			return Result{}, errNotAnimated
		}
		return newAnimation(source).shrink(within, limit)
	})
	if err != nil && ctx.Err() == nil {
		return Result{}, errNotAnimated // it took too long, or it is broken after its first picture
	}
	return result, err
}

// animation is a GIF that is made smaller.
type animation struct {
	source *gif.GIF
	size   image.Point
	base   int // one frame of so many is shown, so that the work is bounded
	seen   *histogram
}

func newAnimation(source *gif.GIF) *animation {
	a := &animation{source: source, size: image.Pt(source.Config.Width, source.Config.Height)}
	shown := int64(a.size.X) * int64(a.size.Y) * int64(len(source.Image))
	a.base = int((shown + shownPixelsMost - 1) / shownPixelsMost)
	return a
}

// shrink finds the smallest loss with which the animation fits.
func (a *animation) shrink(ctx context.Context, limit int64) (Result, error) {
	if err := a.count(ctx); err != nil {
		return Result{}, err
	}
	lowest := min(1, animationSideMin/float64(min(a.size.X, a.size.Y)))
	scale, attempt := 1.0, 0
	for _, l := range losses() {
		least, tooLarge := max(l.scale, lowest), 1.0
		for scale = max(scale, least); scale >= least && attempt < animationAttempts; attempt++ {
			result, size, err := a.encode(ctx, l, scale, limit)
			switch {
			case err != nil:
				return Result{}, err
			case result.Data != nil:
				return a.enlarge(ctx, l, scale, tooLarge, limit, result)
			}
			tooLarge, scale = scale, scale*smaller(limit, size)
		}
	}
	return Result{}, errNotAnimated
}

// smaller is by how much the sides of frames shrink so that size becomes limit.
func smaller(limit, size int64) float64 {
	const shy = 0.96
	return min(shy, math.Sqrt(float64(limit)/float64(size))*shy)
}

// enlarge looks for larger frames, between those that fit and those that are too large,
// where an animation has room left.
func (a *animation) enlarge(ctx context.Context, l loss, fits, tooLarge float64, limit int64, found Result) (Result, error) {
	const attempts, full, near = 3, 0.85, 0.03
	for range attempts {
		if float64(len(found.Data)) > full*float64(limit) || tooLarge-fits < near {
			break
		}
		middle := (fits + tooLarge) / 2
		result, _, err := a.encode(ctx, l, middle, limit)
		switch {
		case err != nil && ctx.Err() != nil:
			return found, nil //nolint:nilerr // what was found fits
		case err != nil:
			return Result{}, err
		case result.Data != nil:
			found, fits = result, middle
		default:
			tooLarge = middle
		}
	}
	return found, nil
}

// count counts the colours of all frames.
func (a *animation) count(ctx context.Context) error {
	a.seen = &histogram{}
	return a.each(ctx, a.base, func(shown *image.RGBA, _ int) { a.seen.add(shown.Pix) })
}

// each draws one frame after the other and calls show with one of so many, and how long it
// is visible, with those left out, in hundredths of a second.
func (a *animation) each(ctx context.Context, every int, show func(shown *image.RGBA, delay int)) error {
	c := newCanvas(a.size)
	delay, begun := 0, false
	for i, frame := range a.source.Image {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("shrink: %w", err)
		}
		c.draw(frame, a.source.Disposal[i])
		if i%every == 0 {
			if begun {
				show(c.shown, delay)
			}
			c.keep()
			delay, begun = 0, true
		}
		delay += visible(a.source.Delay[i])
		c.dispose()
	}
	show(c.shown, delay)
	return nil
}

// visible is how long a frame is visible: programs show one of less than two hundredths
// of a second for ten.
func visible(delay int) int {
	const least, instead = 2, 10
	if delay < least {
		return instead
	}
	return delay
}

// encode makes a GIF; total is its size, and the result has no data when that is more
// than limit.
func (a *animation) encode(ctx context.Context, l loss, scale float64, limit int64) (_ Result, total int64, _ error) {
	size := image.Pt(scaled(a.size.X, scale), scaled(a.size.Y, scale))
	colours := a.seen.palette(l.colours - 1)
	out := newFrames(size, colours, l.tolerance)
	every := max(a.base, min(l.every, len(a.source.Image)/2)) // two frames are an animation
	err := a.each(ctx, every, func(shown *image.RGBA, delay int) {
		if shown.Rect.Max != size {
			out.add(pixels(imaging.Resize(shown, size.X, size.Y, imaging.Linear)), delay)
			return
		}
		out.add(shown.Pix, delay)
	})
	switch {
	case err != nil:
		return Result{}, 0, err
	case len(out.gif.Image) == 1:
		return Result{}, 0, errNotAnimated // all frames are alike
	}
	out.gif.LoopCount = a.source.LoopCount
	encoded := bounded{limit: limit}
	if err := gif.EncodeAll(&encoded, out.gif); err != nil {
		return Result{}, 0, fmt.Errorf("%w: %w", errNotAnimated, err)
	}
	result := Result{File: File{Type: typeGIF, Width: size.X, Height: size.Y}, Colours: len(colours), Frames: len(out.gif.Image)}
	if encoded.size <= limit {
		result.Data = encoded.data.Bytes()
	}
	return result, encoded.size, nil
}

// bounded keeps what is written up to a limit, and counts the rest.
type bounded struct {
	data  bytes.Buffer
	size  int64
	limit int64
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if b.size += int64(len(p)); b.size <= b.limit {
		b.data.Write(p)
	}
	return len(p), nil
}

// canvas is where the frames of an animation are drawn, on white.
type canvas struct {
	now    *image.RGBA
	shown  *image.RGBA // the frame that is visible
	before []uint8     // the part of a frame that is undone
	area   image.Rectangle
	undo   byte
}

func newCanvas(size image.Point) *canvas {
	bounds := image.Rectangle{Max: size}
	c := &canvas{now: image.NewRGBA(bounds), shown: image.NewRGBA(bounds)}
	white(c.now, bounds)
	return c
}

// draw draws a frame, and remembers how it is disposed of.
func (c *canvas) draw(frame *image.Paletted, disposal byte) {
	c.area, c.undo = frame.Rect, disposal
	if disposal == gif.DisposalPrevious {
		c.before = c.before[:0]
		for y := c.area.Min.Y; y < c.area.Max.Y; y++ {
			c.before = append(c.before, row(c.now, c.area, y)...)
		}
	}
	var colours [256]color.RGBA
	for i, colour := range frame.Palette {
		colours[i], _ = colour.(color.RGBA) // the decoder makes no others
	}
	for y := c.area.Min.Y; y < c.area.Max.Y; y++ {
		to := row(c.now, c.area, y)
		for x, index := range frame.Pix[(y-c.area.Min.Y)*frame.Stride:][:c.area.Dx()] {
			if colour := colours[index]; colour.A != 0 {
				to[x*pixelRGBA], to[x*pixelRGBA+1], to[x*pixelRGBA+2] = colour.R, colour.G, colour.B
			}
		}
	}
}

// keep makes the picture as it is now the one that is visible.
func (c *canvas) keep() { copy(c.shown.Pix, c.now.Pix) }

// dispose undoes the frame drawn last as it asks for.
func (c *canvas) dispose() {
	switch c.undo {
	case gif.DisposalBackground:
		white(c.now, c.area)
	case gif.DisposalPrevious:
		for rest, y := c.before, c.area.Min.Y; y < c.area.Max.Y; y++ {
			rest = rest[copy(row(c.now, c.area, y), rest):]
		}
	}
}

// row is the part of a row of a picture that an area covers.
func row(m *image.RGBA, area image.Rectangle, y int) []uint8 {
	return m.Pix[m.PixOffset(area.Min.X, y):][:area.Dx()*pixelRGBA]
}

func white(m *image.RGBA, area image.Rectangle) {
	for y := area.Min.Y; y < area.Max.Y; y++ {
		pix := row(m, area, y)
		for i := range pix {
			pix[i] = 255
		}
	}
}

// frames are the frames of a new animation, each with what changed alone.
type frames struct {
	gif       *gif.GIF
	matcher   *matcher
	palette   color.Palette
	shown     []uint8 // indexes of the colours that are visible
	same      uint8   // index of the transparent colour
	tolerance int     // as a square
}

func newFrames(size image.Point, colours []color.RGBA, tolerance int) *frames {
	same := uint8(len(colours)) //nolint:gosec // at most 255 colours
	f := &frames{matcher: newMatcher(colours), same: same, tolerance: tolerance * tolerance}
	for _, c := range colours {
		f.palette = append(f.palette, c)
	}
	f.palette = append(f.palette, color.RGBA{})
	f.gif = &gif.GIF{Config: image.Config{ColorModel: f.palette, Width: size.X, Height: size.Y}}
	return f
}

// delayMost is the longest time that a GIF can name, in hundredths of a second.
const delayMost = math.MaxUint16

// add adds a frame, of opaque pixels, that is visible for delay; one in which nothing
// changed prolongs the one before.
func (f *frames) add(pix []uint8, delay int) {
	size := image.Pt(f.gif.Config.Width, f.gif.Config.Height)
	delay = min(delay, delayMost)
	if f.shown == nil {
		f.shown = make([]uint8, size.X*size.Y)
		for i := range f.shown {
			f.shown[i] = f.matcher.match(pix[i*pixelRGBA], pix[i*pixelRGBA+1], pix[i*pixelRGBA+2])
		}
		first := image.NewPaletted(image.Rectangle{Max: size}, f.palette)
		copy(first.Pix, f.shown)
		f.append(first, delay)
		return
	}
	changed := image.NewPaletted(image.Rectangle{Max: size}, f.palette)
	area := f.change(pix, changed)
	if last := len(f.gif.Delay) - 1; area.Empty() {
		f.gif.Delay[last] = min(f.gif.Delay[last]+delay, delayMost)
		return
	}
	f.append(cropped(changed, area), delay)
}

func (f *frames) append(m *image.Paletted, delay int) {
	f.gif.Image = append(f.gif.Image, m)
	f.gif.Delay = append(f.gif.Delay, delay)
	f.gif.Disposal = append(f.gif.Disposal, gif.DisposalNone)
}

// change writes the indexes of the pixels that are not as they are shown, the
// transparent one for the others, and returns the area with changes.
func (f *frames) change(pix []uint8, to *image.Paletted) image.Rectangle {
	area := image.Rectangle{Min: to.Rect.Max}
	width := to.Rect.Dx()
	for i := range f.shown {
		r, g, b := pix[i*pixelRGBA], pix[i*pixelRGBA+1], pix[i*pixelRGBA+2]
		index := f.matcher.match(r, g, b)
		if index == f.shown[i] || distance(f.matcher.colours[f.shown[i]], r, g, b) < f.tolerance {
			to.Pix[i] = f.same
			continue
		}
		to.Pix[i], f.shown[i] = index, index
		x, y := i%width, i/width
		area.Min.X, area.Min.Y = min(area.Min.X, x), min(area.Min.Y, y)
		area.Max.X, area.Max.Y = max(area.Max.X, x+1), max(area.Max.Y, y+1)
	}
	return area
}

// cropped is a part of a picture with pixels of its own, so that the rest can be freed.
func cropped(m *image.Paletted, area image.Rectangle) *image.Paletted {
	part := image.NewPaletted(area, m.Palette)
	for y := area.Min.Y; y < area.Max.Y; y++ {
		copy(part.Pix[(y-area.Min.Y)*part.Stride:], m.Pix[m.PixOffset(area.Min.X, y):][:area.Dx()])
	}
	return part
}

// pixels are the bytes of an opaque picture.
func pixels(m image.Image) []uint8 {
	if m, ok := m.(*image.NRGBA); ok { // as resizing makes them
		return m.Pix
	}
	return imaging.Clone(m).Pix
}
