package mediafit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// photo is a picture with detail everywhere, darker to the right.
func photo(width, height int) *image.RGBA {
	noise := rand.New(rand.NewPCG(1, 2))
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			n := noise.IntN(24)
			m.SetRGBA(x, y, color.RGBA{uint8(230 - x*200/width + n), uint8(100 + n), uint8(y*200/height + n), 255})
		}
	}
	return m
}

func encoded(t *testing.T, contentType string, m image.Image) []byte {
	t.Helper()
	var (
		out bytes.Buffer
		err error
	)
	switch contentType {
	case typeJPEG:
		err = jpeg.Encode(&out, m, &jpeg.Options{Quality: 95})
	case typePNG:
		err = png.Encode(&out, m)
	case typeGIF:
		err = gif.Encode(&out, m, nil)
	case typeBMP:
		err = bmp.Encode(&out, m)
	case typeTIFF:
		err = tiff.Encode(&out, m, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// withEXIF puts an EXIF segment with orientation and text into a JPEG.
func withEXIF(file []byte, turned int) []byte {
	segment := orientationSegment(turned)
	segment = append(segment, "GPS: 47.60 N 122.33 W"...)
	binary.BigEndian.PutUint16(segment[2:], uint16(len(segment)-2))
	return slices.Concat(file[:2], segment, file[2:], []byte("trailer with GPS"))
}

func TestPicturesFit(t *testing.T) {
	t.Parallel()
	const limit = 40_000
	m := photo(700, 500)
	for _, contentType := range []string{typeJPEG, typePNG, typeGIF, typeBMP, typeTIFF} {
		t.Run(contentType, func(t *testing.T) {
			t.Parallel()
			got, err := New().Fit(t.Context(), "application/octet-stream", encoded(t, contentType, m), limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Data) > limit || len(got.Data) < limit/2 || got.Type != typeJPEG {
				t.Errorf("%s of %d bytes", got.Type, len(got.Data))
			}
			config, err := jpeg.DecodeConfig(bytes.NewReader(got.Data))
			if err != nil || config.Width != got.Width || config.Height != got.Height {
				t.Errorf("%+v, %+v, %v", config, got.File, err)
			}
		})
	}
}

func TestWhatFitsStaysAsItIs(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{typeJPEG, typePNG, typeGIF} {
		file := encoded(t, contentType, photo(64, 48))
		got, err := New().Fit(t.Context(), contentType, file, int64(len(file)))
		if err != nil || !bytes.Equal(got.Data, file) || got.Type != contentType || got.Quality != 0 {
			t.Errorf("%s: %+v, %v", contentType, got.File, err)
		}
	}
}

func TestPicturesAreUprightAndWithoutMetadata(t *testing.T) {
	t.Parallel()
	plain := encoded(t, typeJPEG, photo(90, 60))
	for turned := 1; turned <= orientationLast; turned++ {
		got, err := New().Fit(t.Context(), typeJPEG, withEXIF(plain, turned), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(got.Data, []byte("GPS")) || bytes.Contains(got.Data, exifHeader) {
			t.Errorf("orientation %d: metadata is left", turned)
		}
		width, height := 90, 60
		if turned > 4 {
			width, height = height, width
		}
		decoded, err := jpeg.Decode(bytes.NewReader(got.Data))
		if err != nil || decoded.Bounds().Dx() != width || decoded.Bounds().Dy() != height || got.Width != width || got.Height != height {
			t.Fatalf("orientation %d: %v, %+v, %v", turned, decoded.Bounds(), got.File, err)
		}
		// The bright side is at the left of the pixels as they are stored.
		bright := []image.Point{{}, {2, 30}, {87, 30}, {87, 30}, {2, 30}, {30, 2}, {30, 2}, {30, 87}, {30, 87}}[turned]
		if r, _, _, _ := decoded.At(bright.X, bright.Y).RGBA(); r>>8 < 190 {
			t.Errorf("orientation %d: %v is not bright (%d)", turned, bright, r>>8)
		}
	}
	kept := WithoutMetadata(typeJPEG, withEXIF(plain, 6))
	if bytes.Contains(kept, []byte("GPS")) || jpegOrientation(kept) != 6 {
		t.Errorf("an upload keeps more than its orientation, which is %d", jpegOrientation(kept))
	}
	if stripped := WithoutMetadata(typeJPEG, withEXIF(plain, 1)); !bytes.Equal(stripped, plain) {
		t.Error("more was taken out than the metadata")
	}
}

// claiming is a PNG whose header claims a size, and that has next to nothing.
func claiming(t *testing.T, width, height uint32) []byte {
	t.Helper()
	file := encoded(t, typePNG, image.NewGray(image.Rect(0, 0, 1, 1)))
	binary.BigEndian.PutUint32(file[16:], width)
	binary.BigEndian.PutUint32(file[20:], height)
	binary.BigEndian.PutUint32(file[29:], crc32.ChecksumIEEE(file[12:29]))
	return file
}

func TestWhatCannotFitIsRefused(t *testing.T) {
	t.Parallel()
	picture := encoded(t, typeJPEG, photo(200, 150))
	tests := map[string]struct {
		file  []byte
		limit int64
		want  error
	}{
		"50 megapixels":  {claiming(t, 10_000, 5_001), 1 << 20, ErrPixels},
		"a bomb":         {claiming(t, 65_000, 65_000), 1 << 20, ErrPixels},
		"half a picture": {picture[:len(picture)/2], 2000, ErrBroken},
		"a page":         {[]byte("<html><body>no</body></html>"), 1 << 20, ErrType},
		"HEIC":           {[]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"), 1 << 20, ErrHEIC},
		"AVIF":           {[]byte("\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf"), 1 << 20, ErrAVIF},
		"nothing":        {nil, 1 << 20, ErrType},
		"no room":        {picture, 500, ErrTooLarge},
		"film":           {append([]byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"), make([]byte, 5000)...), 4000, ErrTooLarge},
	}
	for name, tt := range tests {
		if _, err := New().Fit(t.Context(), "", tt.file, tt.limit); !errors.Is(err, tt.want) || !IsRefusal(err) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// TestBrokenFilesHarmNothing cuts and changes files of every format.
func TestBrokenFilesHarmNothing(t *testing.T) {
	t.Parallel()
	fitter, change := New(), rand.New(rand.NewPCG(3, 4))
	for contentType := range decoders {
		if contentType == typeWebP {
			continue
		}
		whole := encoded(t, contentType, photo(48, 32))
		for range 60 {
			file := slices.Clone(whole[:change.IntN(len(whole))+1])
			for range change.IntN(6) {
				file[change.IntN(len(file))] = byte(change.IntN(256))
			}
			got, err := fitter.Fit(t.Context(), contentType, file, 900)
			if err == nil && len(got.Data) > 900 || err != nil && !IsRefusal(err) {
				t.Errorf("%s: %d bytes, %v", contentType, len(got.Data), err)
			}
			_ = WithoutMetadata(contentType, file)
		}
	}
}
