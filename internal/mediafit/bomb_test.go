package mediafit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The test binary is a process that fits the file on its standard input into bombLimit
// bytes, several times at once, when that is set in its environment. It prints the errors
// and the memory that it has taken from the system.
const (
	bombLimit = "MEDIAFIT_BOMB_LIMIT"
	atOnce    = 3
)

func TestMain(m *testing.M) {
	if limit := os.Getenv(bombLimit); limit != "" {
		if err := explode(limit); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	m.Run()
}

func explode(limit string) error {
	most, err := strconv.ParseInt(limit, 10, 64)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	fitter := New()
	var wg sync.WaitGroup
	errs := make([]error, atOnce)
	for i := range errs {
		wg.Go(func() { _, errs[i] = fitter.Fit(context.Background(), "", data, most) })
	}
	wg.Wait()
	for _, err := range errs {
		fmt.Fprintln(os.Stdout, err)
	}
	// Go gives no address space back, so that this is the largest memory that there was.
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	_, err = fmt.Fprintln(os.Stdout, memory.Sys)
	return err
}

// exploded runs a process that fits a bomb, and returns its errors and the memory that it
// took, in bytes.
func exploded(t *testing.T, bomb []byte, limit int) (errs []string, memory int64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), bombLimit+"="+strconv.Itoa(limit))
	cmd.Stdin, cmd.Stderr = bytes.NewReader(bomb), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	memory, err = strconv.ParseInt(lines[len(lines)-1], 10, 64)
	if err != nil || len(lines) != atOnce+1 {
		t.Fatalf("%q, %v", out, err)
	}
	return lines[:atOnce], memory
}

// chunk is a part of a PNG. Nothing checks its sum before it is decoded.
func chunk(name string, data []byte) []byte {
	return slices.Concat(binary.BigEndian.AppendUint32(nil, uint32(len(data))), []byte(name), data, make([]byte, 4))
}

// TestDecompressionBombs: the memory of the process that is given a bomb stays far below
// what comes out of it. The margins are wide.
func TestDecompressionBombs(t *testing.T) {
	t.Parallel()
	const refused = 100 << 20 // the process itself and the file
	frames := func() []byte { // of a megapixel each, a few kilobytes
		m := image.NewPaletted(image.Rect(0, 0, 1000, 1000), color.Palette{color.Black, color.White})
		file := encodedAll(t, &gif.GIF{Image: []*image.Paletted{m}, Delay: []int{5}})
		const head, trailer = 13, 1 // it has no global table
		return slices.Concat(file[:head], bytes.Repeat(file[head:len(file)-trailer], 900), []byte(";"))
	}
	empty := func() []byte {
		var out bytes.Buffer
		if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&out, image.NewNRGBA(image.Rect(0, 0, 2000, 2000))); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	tests := map[string]struct {
		bomb  []byte
		limit int
		most  int64
		want  string
	}{
		"header of 4 gigapixels":   {slices.Concat(claiming(t, 65_000, 65_000)[:33], chunk("IDAT", deflated(t, 4<<30))), 1 << 20, refused, ErrPixels.Error()},
		"one strip of 4 GiB":       {tiffOf(7000, 7000, deflated(t, 4<<30)), 1 << 20, refused, ErrTooLarge.Error()},
		"a strip beyond its size":  {tiffOf(64, 64, deflated(t, 4<<30)), 4000, refused, "<nil>"},
		"frames of 900 megapixels": {frames(), 10_000, refused + 2*atOnce*1_000_000*pixelBytes, "<nil>"},
		"4 megapixels of nothing":  {empty(), 15_000, refused + 2*atOnce*4_000_000*pixelBytes, "<nil>"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			errs, memory := exploded(t, tt.bomb, tt.limit)
			t.Logf("a file of %d bytes took %d MiB", len(tt.bomb), memory>>20)
			if memory > tt.most {
				t.Errorf("a file of %d bytes took %d MiB, want at most %d", len(tt.bomb), memory>>20, tt.most>>20)
			}
			for _, err := range errs {
				if !strings.HasPrefix(err, tt.want) {
					t.Errorf("%s, want %s", err, tt.want)
				}
			}
		})
	}
}

// TestDecodingWaitsForMemory: pictures and animations are decoded only when what they take
// is free.
func TestDecodingWaitsForMemory(t *testing.T) {
	t.Parallel()
	for contentType, file := range map[string][]byte{
		typePNG: encoded(t, typePNG, photo(200, 150)), typeGIF: animated(t, 4, 200, 150),
	} {
		f := New()
		if !f.pool.TryAcquire(poolBytes) {
			t.Fatal("a new pool is not empty")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := f.Fit(ctx, contentType, file, 5000); !errors.Is(err, context.Canceled) || IsRefusal(err) {
			t.Errorf("%s: %v while all memory is taken", contentType, err)
		}
		f.pool.Release(poolBytes)
		if _, err := f.Fit(t.Context(), contentType, file, 5000); err != nil {
			t.Errorf("%s: %v", contentType, err)
		}
		if !f.pool.TryAcquire(poolBytes) {
			t.Errorf("%s: memory is still taken", contentType)
		}
	}
}
