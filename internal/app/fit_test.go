package app

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mmsdispatch/internal/config"
	"mmsdispatch/internal/jobs/dispatch"
	"mmsdispatch/internal/media"
	"mmsdispatch/internal/mediafit"
	"mmsdispatch/internal/mediastore"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/telemetry"
)

func TestShareOfTheLimit(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		sizes []int64
		limit int64
		want  int64
	}{
		"none":                   {nil, 100, 0},
		"all fit":                {[]int64{40, 60}, 100, 0},
		"two large":              {[]int64{100, 90}, 100, 50},
		"a small one keeps its":  {[]int64{10, 100, 100}, 100, 45},
		"several small ones":     {[]int64{5, 10, 90, 15, 80}, 100, 35},
		"more media than bytes":  {[]int64{9, 9, 9}, 2, 1},
		"one above the share":    {[]int64{34, 33, 34}, 100, 33},
		"the small ones leave 0": {[]int64{1, 1, 2}, 3, 1},
	}
	for name, tt := range tests {
		verdicts := make([]media.Verdict, len(tt.sizes))
		for i, size := range tt.sizes {
			verdicts[i].Info.Size = size
		}
		if got := shareOf(verdicts, tt.limit); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

// TestLimitOfASender: its own, else that of the carriers, which is never above the general
// one.
func TestLimitOfASender(t *testing.T) {
	t.Parallel()
	carriers, err := mediafit.ReadCarriers()
	if err != nil {
		t.Fatal(err)
	}
	cfg := &config.Config{Media: config.Media{MaxBytes: 1_200_000}}
	cfg.Sinch.Number, cfg.Sinch.Senders = "18005550199", config.Senders{"28444", "+12065550100", "+61412345678"}
	if err := cfg.Media.SenderBytes.UnmarshalText([]byte("28444=5000000")); err != nil {
		t.Fatal(err)
	}
	f := &fitMedia{workerMedia: &workerMedia{maxBytes: cfg.Media.MaxBytes}, limits: limitsOf(cfg, carriers), carriers: carriers}
	for sender, want := range map[string]int64{
		"28444": 5_000_000, "+18005550199": 1_000_000, "+12065550100": 1_200_000, "+61412345678": 1_200_000,
		"29999": 1_050_000, "+18445550199": 1_000_000, // of messages that were accepted before
	} {
		if got := f.limit(sender); got != want {
			t.Errorf("%s: %d, want %d", sender, got, want)
		}
	}
}

// TestMediaOfAMessageAreMadeToFit: from a host that says neither length nor type,
// once for all messages, and within the limit of the sender together.
func TestMediaOfAMessageAreMadeToFit(t *testing.T) {
	t.Parallel()
	noise := image.NewGray(image.Rect(0, 0, 400, 300))
	for i := range noise.Pix {
		noise.Pix[i] = byte(rand.IntN(256))
	}
	var large bytes.Buffer
	if err := png.Encode(&large, noise); err != nil {
		t.Fatal(err)
	}
	var requests atomic.Int64
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Content-Type", "application/octet-stream")
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write(large.Bytes())
	}))
	t.Cleanup(host.Close)
	rdb := redistest.Shared(t).Client(t)
	store, err := mediastore.New(mediastore.Options{
		Redis: rdb, Blobs: mediastore.NewRedisBlobs(rdb), TTL: time.Hour, PublicURL: "https://m.example.com",
	})
	if err != nil {
		t.Fatal(err)
	}
	env := &environment{
		cfg: &config.Config{Media: config.Media{MaxBytes: 30_000, AllowPrivate: true, TTL: time.Hour}}, rdb: rdb,
		metrics: telemetry.NewMetrics(telemetry.ReadBuild("worker")),
	}
	fit, parts, err := newFitMedia(env, store, func(*message.Message) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		t.Cleanup(func() { p.Stop(context.Background()) })
	}
	check := func(urls ...string) []sinch.Media {
		t.Helper()
		ready, err := fit.Check(t.Context(), &message.Message{
			Scope: message.Scope{Tenant: "shop"}, From: "+12065550100", Content: message.Content{Media: urls},
		})
		if err != nil {
			t.Fatal(err)
		}
		return ready
	}
	first, again := check(host.URL+"/a"), check(host.URL+"/a")
	if first[0] != again[0] || requests.Load() != 1 || first[0].ContentType != "image/jpeg" {
		t.Errorf("%+v and %+v after %d fetches", first, again, requests.Load())
	}
	total := int64(0)
	for _, one := range check(host.URL+"/a", host.URL+"/b") {
		kept, err := store.Open(t.Context(), one.URL[len("https://m.example.com/m/"):])
		if err != nil {
			t.Fatal(err)
		}
		data, err := store.Read(t.Context(), kept)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil {
			t.Error(err)
		}
		total += kept.Bytes
	}
	if total > 30_000 || total < 15_000 {
		t.Errorf("%d bytes together", total)
	}
	_, err = fit.Check(t.Context(), &message.Message{Content: message.Content{Media: []string{host.URL + "/c", "med_00000000000000000000000000"}}})
	if bad, ok := errors.AsType[*dispatch.MediaError](err); !ok || !strings.HasPrefix(bad.Detail, "media[1]: media_not_found") || bad.Temporary {
		t.Errorf("an upload that is gone: %v", err)
	}
}
