package mediafit

import (
	"bytes"
	"image"
	"testing"

	"mmsdispatch/internal/media"
)

// fuzzPixels keeps a round of the fuzzer short.
const fuzzPixels = 1 << 20

// FuzzFit: whatever a file is, it becomes one that fits and that can be read, or it is
// refused. No decoder panics past its guard.
func FuzzFit(f *testing.F) {
	t := &testing.T{}
	for _, contentType := range []string{typeJPEG, typePNG, typeGIF, typeBMP, typeTIFF} {
		whole := encoded(t, contentType, photo(24, 16))
		f.Add(whole, contentType, 400)
		f.Add(whole[:len(whole)/2], contentType, 400)
		f.Add(withEXIF(encoded(t, typeJPEG, photo(8, 8)), 6), contentType, 100_000)
	}
	moving := animated(t, 6, 40, 30)
	f.Add(moving, typeGIF, len(moving)/2)
	f.Add(moving[:len(moving)/2], typeGIF, len(moving)/4)
	fitter := New()
	f.Fuzz(func(t *testing.T, data []byte, claimed string, limit int) {
		file, err := Inspect(claimed, data)
		if err != nil || limit < 1 {
			if err != nil && !IsRefusal(err) {
				t.Fatalf("inspect: %v", err)
			}
			return
		}
		if file.Width*file.Height > fuzzPixels {
			return
		}
		result, err := fitter.Fit(t.Context(), claimed, data, int64(limit))
		if err != nil {
			if !IsRefusal(err) {
				t.Fatalf("fit: %v", err)
			}
			return
		}
		if len(result.Data) > limit || media.Sendable(media.Info{Type: result.Type}, int64(limit)) != nil {
			t.Fatalf("%d bytes of %s for a limit of %d", len(result.Data), result.Type, limit)
		}
		if !result.Converted() {
			return
		}
		got, _, err := image.Decode(bytes.NewReader(result.Data))
		if err != nil || got.Bounds().Dx() != result.Width || got.Bounds().Dy() != result.Height {
			t.Fatalf("the result cannot be read: %v", err)
		}
	})
}
