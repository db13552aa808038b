package bench_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kovidgoyal/imaging"

	"mmsdispatch/internal/mediafit"
	"mmsdispatch/internal/redistest"
)

// photograph is a picture with detail of every size, as a camera takes it: it becomes some
// megabytes as a JPEG of 4000 × 3000.
func photograph(width, height int) *image.RGBA {
	noise := rand.New(rand.NewPCG(1, 2))
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	const large, small = 97, 11
	for y := range height {
		for x := range width {
			shade := (x/large*31+y/large*17)%120 + (x/small*7+y/small*13)%40
			n := noise.IntN(14)
			m.SetRGBA(x, y, color.RGBA{uint8(40 + shade + n), uint8(30 + shade + n), uint8(60 + y*100/height + n), 255})
		}
	}
	return m
}

func jpegOf(b *testing.B, m image.Image, quality int) []byte {
	b.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, &jpeg.Options{Quality: quality}); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

// BenchmarkFit makes a JPEG of 4000 × 3000 fit into 600 kB, beside the library with the size
// and quality that were found: it decodes, resizes and encodes once.
func BenchmarkFit(b *testing.B) {
	const limit = 600_000
	source := jpegOf(b, photograph(4000, 3000), 92) // as a camera makes it
	fitter := mediafit.New()
	found, err := fitter.Fit(b.Context(), "image/jpeg", source, limit)
	if err != nil || len(found.Data) > limit || found.Quality == 0 {
		b.Fatalf("%+v, %d bytes, %v", found.File, len(found.Data), err)
	}
	b.Run("bare-library", func(b *testing.B) {
		for range b.N {
			picture, err := jpeg.Decode(bytes.NewReader(source))
			if err != nil {
				b.Fatal(err)
			}
			small := imaging.Resize(picture, found.Width, found.Height, imaging.Lanczos)
			if err := jpeg.Encode(io.Discard, small, &jpeg.Options{Quality: found.Quality}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pictures/s")
	})
	b.Run("dispatcher", func(b *testing.B) {
		for range b.N {
			if _, err := fitter.Fit(b.Context(), "image/jpeg", source, limit); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pictures/s")
		b.ReportMetric(float64(len(found.Data)), "B/picture")
		b.ReportMetric(float64(found.Quality), "quality")
	})
}

// BenchmarkMediaDispatch lets one worker send b.N messages with one picture to a Sinch that
// answers at once: one that is checked and sent under its own URL, and one that is made to
// fit for all messages.
func BenchmarkMediaDispatch(b *testing.B) {
	var large bytes.Buffer
	if err := png.Encode(&large, photograph(800, 600)); err != nil {
		b.Fatal(err)
	}
	plain := jpegOf(b, photograph(400, 300), 80) // it fits
	b.Run("plain", func(b *testing.B) { dispatchMedia(b, plain) })
	b.Run("fitted", func(b *testing.B) {
		dispatchMedia(b, large.Bytes(), "MEDIA_FIT=on", "MEDIA_MAX_BYTES=60000", "PUBLIC_URL=https://mms.example.com")
	})
}

// dispatchMedia sends b.N messages that wait already, all with the same picture.
func dispatchMedia(b *testing.B, picture []byte, env ...string) {
	b.Helper()
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", http.DetectContentType(picture))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(picture))
	}))
	b.Cleanup(host.Close)
	env = append([]string{"MEDIA_CHECK=worker", "MEDIA_ALLOW_PRIVATE=true"}, env...)
	store := redistest.Start(b)
	streamOf(b, startAPI(b, store, env...).base, b.N, "?priority=normal", func(n int64) []byte {
		return fmt.Appendf(nil, `{"to":"+1206555%04d","text":"Hi Dana, your order #%07[2]d has shipped.","mediaUrl":"%[3]s/menu","subject":"Your order",`+
			`"clientReference":"bench-%[2]d"}`, n%9000, n, host.URL)
	})
	sinch, _ := startSimulator(b, 0)
	client := store.Client(b)
	b.ResetTimer()
	work := beginWork(b, store, "worker", startWorker(b, store, sinch, fmt.Sprint(slots), env...))
	rate(b, func() int { return open(b, client) })
	work.report(b)
}

// BenchmarkHosted sends b.N requests while one hosted picture is fetched 10,000 times, spread
// over the run, beside requests alone.
func BenchmarkHosted(b *testing.B) {
	const fetches, fetchers = 10_000, 16
	b.Run("without", func(b *testing.B) { post(b, startAPI(b, redistest.Start(b)).base) })
	b.Run("fetching", func(b *testing.B) {
		picture := jpegOf(b, photograph(640, 480), 80)
		base := startAPI(b, redistest.Start(b), "PUBLIC_URL=https://mms.example.com").base
		link := upload(b, base, picture)
		due := make(chan struct{}, fetches)
		var done atomic.Int64
		took := make([][]time.Duration, fetchers)
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: fetchers}, Timeout: 10 * time.Second}
		b.Cleanup(client.CloseIdleConnections)
		var wg sync.WaitGroup
		for i := range fetchers {
			wg.Go(func() {
				for range due {
					start := time.Now()
					if err := fetch(b, client, link, len(picture)); err != nil {
						b.Error(err)
						continue
					}
					took[i] = append(took[i], time.Since(start))
					done.Add(1)
				}
			})
		}
		postThen(b, base, func(n int64) {
			for range n*fetches/int64(b.N) - (n-1)*fetches/int64(b.N) {
				due <- struct{}{}
			}
		})
		close(due)
		left := fetches - done.Load()
		wg.Wait()
		if done.Load() != fetches {
			b.Fatalf("%d of %d fetches", done.Load(), fetches)
		}
		all := slices.Concat(took...)
		slices.Sort(all)
		b.ReportMetric(milliseconds(all[len(all)*99/100]), "fetch-p99-ms")
		b.ReportMetric(float64(left), "fetches-left") // when the last request was answered
	})
}

// upload keeps a picture and returns its link at the api.
func upload(b *testing.B, base string, picture []byte) string {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, base+"/v1/media", bytes.NewReader(picture))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "image/jpeg")
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	var kept struct{ URL string }
	if err := json.NewDecoder(res.Body).Decode(&kept); err != nil || kept.URL == "" {
		b.Fatalf("status %d, %+v, %v", res.StatusCode, kept, err)
	}
	link, err := url.Parse(kept.URL)
	if err != nil {
		b.Fatal(err)
	}
	return base + link.Path
}

// fetch fetches a hosted picture as Sinch does.
func fetch(b *testing.B, client *http.Client, link string, size int) error {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, link, http.NoBody)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || n != int64(size) || res.ContentLength != n {
		return fmt.Errorf("status %d, %d of %d bytes", res.StatusCode, n, size)
	}
	return nil
}
