package cli

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"mmsdispatch/internal/config"
)

// noisyPNG is a picture that a PNG cannot pack.
func noisyPNG(t *testing.T, side int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, side, side))
	state := uint32(1)
	for i := range side * side {
		state = state*1664525 + 1013904223
		m.SetRGBA(i%side, i/side, color.RGBA{uint8(state >> 24), uint8(state >> 16), uint8(state >> 8), 255})
	}
	var out bytes.Buffer
	if err := png.Encode(&out, m); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func runFit(t *testing.T, f fit, source string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	cmd.SetOut(&out)
	err := f.run(cmd, source)
	return out.String(), err
}

// The command shows a picture before and after, and writes what would be sent within
// the limit of the sender.
func TestMediaFit(t *testing.T) {
	t.Parallel()
	picture := noisyPNG(t, 300)
	folder := t.TempDir()
	source, target := filepath.Join(folder, "menu.png"), filepath.Join(folder, "out.jpg")
	if err := os.WriteFile(source, picture, 0o600); err != nil {
		t.Fatal(err)
	}
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(picture) }))
	t.Cleanup(host.Close)
	var limits config.SenderBytes
	if err := limits.UnmarshalText([]byte("+12065550100=40000")); err != nil {
		t.Fatal(err)
	}
	f := fit{limits: config.Media{MaxBytes: 1 << 20, SenderBytes: limits, AllowPrivate: true}, file: target}
	for _, from := range []string{source, host.URL + "/menu.png?x=1"} {
		out, err := runFit(t, f, from)
		if err != nil || !strings.Contains(out, "before  image/png, 300 × 300,") || !strings.Contains(out, ", unchanged") {
			t.Errorf("%s: %s, %v", from, out, err)
		}
		limited := f
		limited.sender = "12065550100"
		out, err = runFit(t, limited, from)
		if err != nil || !strings.Contains(out, "after   image/jpeg,") || !strings.Contains(out, ", quality ") {
			t.Errorf("%s: %s, %v", from, out, err)
		}
		if written, err := os.ReadFile(target); err != nil || len(written) > 40_000 || len(written) == 0 {
			t.Errorf("%d bytes were written, %v", len(written), err)
		}
	}
	broken := filepath.Join(folder, "broken.png")
	if err := os.WriteFile(broken, picture[:20], 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := runFit(t, f, broken); err == nil || out != "" {
		t.Errorf("%s, %v", out, err)
	}
	if got := fittedName("https://e.com/a/menu.heic?x=/y.png", "image/jpeg"); got != "menu.fit.jpg" {
		t.Errorf("%q", got)
	}
}
