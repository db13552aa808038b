package mediafit

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"math/rand/v2"
	"slices"
	"testing"
)

// animated is a GIF in which a red square moves over a picture that moves, too, one step a
// frame.
func animated(t *testing.T, frames, width, height int) []byte {
	t.Helper()
	var colours color.Palette
	for r := range 6 {
		for g := range 6 {
			for b := range 6 {
				colours = append(colours, color.RGBA{uint8(r * 51), uint8(g * 51), uint8(b * 51), 255})
			}
		}
	}
	behind := image.NewPaletted(image.Rect(0, 0, width+frames, height), colours)
	draw.FloydSteinberg.Draw(behind, behind.Rect, photo(width+frames, height), image.Point{})
	whole := &gif.GIF{LoopCount: 3}
	for i := range frames {
		m := image.NewPaletted(image.Rect(0, 0, width, height), colours)
		for y := range height {
			copy(m.Pix[y*m.Stride:][:width], behind.Pix[y*behind.Stride+i:])
		}
		side := height / 4
		at := image.Pt(i*(width-side)/max(1, frames-1), height/2)
		draw.Draw(m, image.Rectangle{at, at.Add(image.Pt(side, side))}, image.NewUniform(color.RGBA{255, 0, 0, 255}), image.Point{}, draw.Src)
		whole.Image, whole.Delay = append(whole.Image, m), append(whole.Delay, 7)
	}
	return encodedAll(t, whole)
}

func encodedAll(t *testing.T, whole *gif.GIF) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := gif.EncodeAll(&out, whole); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// film is the frames of a GIF as they are shown.
type film struct {
	frames []*image.RGBA
	delays []int
}

func filmOf(t *testing.T, data []byte) (film, *gif.GIF) {
	t.Helper()
	whole, err := gif.DecodeAll(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var f film
	err = newAnimation(whole).each(t.Context(), 1, func(shown *image.RGBA, delay int) {
		f.frames = append(f.frames, &image.RGBA{Pix: slices.Clone(shown.Pix), Stride: shown.Stride, Rect: shown.Rect})
		f.delays = append(f.delays, delay)
	})
	if err != nil {
		t.Fatal(err)
	}
	return f, whole
}

func (f film) duration() (total int) {
	for _, delay := range f.delays {
		total += delay
	}
	return total
}

// at is the frame that is visible at a time.
func (f film) at(time int) *image.RGBA {
	for i, delay := range f.delays {
		if time -= delay; time < 0 {
			return f.frames[i]
		}
	}
	return f.frames[len(f.frames)-1]
}

// red is where the middle of the red square is, as a part of the width.
func red(m *image.RGBA) float64 {
	sum, n := 0, 0
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			if c := m.RGBAAt(x, y); c.R > 200 && c.G < 60 && c.B < 60 {
				sum, n = sum+x, n+1
			}
		}
	}
	return float64(sum) / float64(max(1, n)) / float64(m.Rect.Dx())
}

func TestAnimationIsShrunk(t *testing.T) {
	t.Parallel()
	source := animated(t, 16, 160, 120)
	before, _ := filmOf(t, source)
	for _, part := range []int{2, 4, 10} {
		limit := int64(len(source) / part)
		got, err := New().Fit(t.Context(), typeGIF, source, limit)
		if err != nil {
			t.Fatal(err)
		}
		after, whole := filmOf(t, got.Data)
		switch {
		case got.Still || got.Type != typeGIF || got.Quality != 0 || !got.Converted():
			t.Errorf("1/%d: %+v, still %t", part, got.File, got.Still)
		case int64(len(got.Data)) > limit || int64(len(got.Data)) < limit/3:
			t.Errorf("1/%d: %d bytes, the limit is %d", part, len(got.Data), limit)
		case whole.Config.Width != got.Width || whole.Config.Height != got.Height || len(whole.Image) != got.Frames || got.Frames < 2:
			t.Errorf("1/%d: %+v, %d of %d frames", part, got.File, len(whole.Image), got.Frames)
		case whole.LoopCount != 3 || after.duration() != before.duration():
			t.Errorf("1/%d: %d loops, it takes %d and took %d", part, whole.LoopCount, after.duration(), before.duration())
		}
		// The square is where it was, but for the frames that were left out.
		const steps, near = 6, 0.2
		for i := range steps {
			time := before.duration() * i / steps
			if was, is := red(before.at(time)), red(after.at(time)); is < was-near || is > was+near {
				t.Errorf("1/%d: the square is at %.2f and was at %.2f", part, is, was)
			}
		}
	}
}

// TestWhatAnAnimationLoses: the steps lead from fewer colours over smaller frames to fewer
// frames, and each but the first is tried because the ones before do not fit.
func TestWhatAnAnimationLoses(t *testing.T) {
	t.Parallel()
	source := animated(t, 16, 160, 120)
	colours, frames, width := 257, 17, 161
	for _, part := range []int{2, 5, 12} {
		got, err := New().Fit(t.Context(), typeGIF, source, int64(len(source)/part))
		if err != nil {
			t.Fatal(err)
		}
		if got.Colours > colours || got.Frames > frames || got.Width > width {
			t.Errorf("1/%d: %d colours, %d frames, %d wide after %d, %d and %d for a higher limit",
				part, got.Colours, got.Frames, got.Width, colours, frames, width)
		}
		colours, frames, width = got.Colours, got.Frames, got.Width
	}
	if frames == 16 && width == 160 || colours > 128 {
		t.Errorf("%d colours, %d frames, %d wide for a twelfth", colours, frames, width)
	}
}

func TestAnimationBecomesAStill(t *testing.T) {
	t.Parallel()
	noise := func(frames, width, height int) []byte {
		whole := &gif.GIF{}
		for range frames {
			m := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.White, color.Black, color.RGBA{200, 0, 0, 255}})
			for i := range m.Pix {
				m.Pix[i] = uint8(rand.IntN(3))
			}
			whole.Image, whole.Delay = append(whole.Image, m), append(whole.Delay, 1)
		}
		return encodedAll(t, whole)
	}
	few := noise(3, 200, 150)
	whole := animated(t, 12, 120, 90)
	broken := whole[:len(whole)*3/4]
	alike := &gif.GIF{}
	for range 40 {
		m := image.NewPaletted(image.Rect(0, 0, 120, 90), color.Palette{color.White, color.Black, color.RGBA{200, 0, 0, 255}})
		for i := range m.Pix {
			m.Pix[i] = uint8(i * i / 7 % 3)
		}
		alike.Image, alike.Delay = append(alike.Image, m), append(alike.Delay, 5)
	}
	for name, tt := range map[string]struct {
		data  []byte
		limit int64
	}{
		"too small a limit":         {few, 2500},
		"too many frames":           {noise(framesMost+1, 24, 24), 20_000},
		"broken after its first":    {broken, 4000},
		"frames that are all alike": {encodedAll(t, alike), 12_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := New().Fit(t.Context(), typeGIF, tt.data, tt.limit)
			if err != nil || !got.Still || got.Type != typeJPEG || int64(len(got.Data)) > tt.limit || got.Quality == 0 {
				t.Fatalf("%+v, still %t, %d bytes, %v", got.File, got.Still, len(got.Data), err)
			}
			if _, err := jpeg.Decode(bytes.NewReader(got.Data)); err != nil {
				t.Error(err)
			}
		})
	}
	unchanged, err := New().Fit(t.Context(), typeGIF, few, 1<<20)
	if err != nil || unchanged.Still || unchanged.Converted() || !bytes.Equal(unchanged.Data, few) {
		t.Errorf("an animation that fits: %+v, %v", unchanged.File, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := New().Fit(gone, typeGIF, few, 2500); !errors.Is(err, context.Canceled) || got.Data != nil {
		t.Errorf("a canceled one: %+v, %v", got.File, err)
	}
}

// TestFramesAreDrawnAsProgramsDo: parts, transparent pixels and the three ways to dispose
// of a frame.
func TestFramesAreDrawnAsProgramsDo(t *testing.T) {
	t.Parallel()
	colours := color.Palette{color.RGBA{}, color.RGBA{255, 0, 0, 255}, color.RGBA{0, 0, 255, 255}}
	part := func(area image.Rectangle, pix ...uint8) *image.Paletted {
		return &image.Paletted{Pix: pix, Stride: area.Dx(), Rect: area, Palette: colours}
	}
	row := func(from, to int) image.Rectangle { return image.Rect(from, 0, to, 1) }
	whole := encodedAll(t, &gif.GIF{
		Config: image.Config{Width: 4, Height: 1},
		Image: []*image.Paletted{
			part(row(0, 3), 1, 1, 1), part(row(1, 4), 2, 0, 2), part(row(0, 2), 2, 2), part(row(3, 4), 2), part(row(0, 1), 2),
		},
		Delay:    []int{5, 0, 8, 1, 6},
		Disposal: []byte{gif.DisposalNone, gif.DisposalPrevious, gif.DisposalBackground, gif.DisposalNone, 0},
	})
	want := []string{"rrr.", "rbrb", "bbr.", "..rb", "b.rb"}
	shown := func(m *image.RGBA) string {
		var s []byte
		for x := range 4 {
			s = append(s, map[color.RGBA]byte{{255, 0, 0, 255}: 'r', {0, 0, 255, 255}: 'b', {255, 255, 255, 255}: '.'}[m.RGBAAt(x, 0)])
		}
		return string(s)
	}
	got, source := filmOf(t, whole)
	for i, m := range got.frames {
		if shown(m) != want[i] {
			t.Errorf("frame %d: %s, want %s", i, shown(m), want[i])
		}
	}
	if !slices.Equal(got.delays, []int{5, 10, 8, 10, 6}) {
		t.Errorf("delays: %v", got.delays)
	}
	var second []string
	var delays []int
	if err := newAnimation(source).each(t.Context(), 2, func(m *image.RGBA, delay int) {
		second, delays = append(second, shown(m)), append(delays, delay)
	}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(second, []string{want[0], want[2], want[4]}) || !slices.Equal(delays, []int{15, 18, 6}) {
		t.Errorf("every second frame: %v, %v", second, delays)
	}
}

// TestLongAnimationShowsFewerFrames: the pixels of an attempt are bounded, whatever the
// animation.
func TestLongAnimationShowsFewerFrames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ frames, width, height, every int }{
		{10, 100, 100, 1}, {24, 1000, 1000, 1}, {25, 1000, 1000, 2}, {1000, 4000, 4000, 667}, {1000, 1, 1, 1},
	} {
		a := newAnimation(&gif.GIF{Image: make([]*image.Paletted, tt.frames), Config: image.Config{Width: tt.width, Height: tt.height}})
		if a.base != tt.every {
			t.Errorf("%+v: one of %d", tt, a.base)
		}
	}
}

func TestPaletteStandsForColours(t *testing.T) {
	t.Parallel()
	var h histogram
	h.add(photo(200, 100).Pix)
	for _, n := range []int{1, 2, 31, 255} {
		colours := h.palette(n)
		if len(colours) != n {
			t.Fatalf("%d colours, want %d", len(colours), n)
		}
		m, worst := newMatcher(colours), 0
		for pix := photo(200, 100).Pix; len(pix) > 0; pix = pix[pixelRGBA:] {
			worst = max(worst, distance(colours[m.match(pix[0], pix[1], pix[2])], pix[0], pix[1], pix[2]))
		}
		if most := map[int]int{1: 80_000, 2: 60_000, 31: 8000, 255: 1600}[n]; worst > most {
			t.Errorf("%d colours: one is as far off as %d", n, worst)
		}
	}
	var flat histogram
	flat.add([]uint8{10, 20, 30, 255, 10, 20, 30, 255, 200, 210, 220, 255})
	if got := flat.palette(16); !slices.Equal(got, []color.RGBA{{10, 20, 30, 255}, {200, 210, 220, 255}}) {
		t.Errorf("two colours: %v", got)
	}
}
