package browser_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/redis/go-redis/v9"

	control "mmsdispatch/internal/operator"
	"mmsdispatch/internal/pause"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/status"
	"mmsdispatch/test/harness"
)

const (
	// screenshots, set in the environment, writes the pictures of the documentation.
	screenshots = "SCREENSHOTS"
	// images is where they are written.
	images = "../../docs/images"
	// pictureMost bounds the size of a picture.
	pictureMost = 150 << 10
	// samplesKey is the key of Redis that has the samples of the last hour.
	samplesKey = "mms:{m}:samples"
)

// TestScreenshots writes docs/images: the console of an installation with a day of
// traffic behind it, failures, a pause and a batch on its way.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	if os.Getenv(screenshots) == "" {
		t.Skip(screenshots + " is not set")
	}
	clock := redistest.NewClock(t)
	clock.Move(-history)
	c := startConsole(t, findChromium(t), redistest.Start(t, redistest.WithClock(clock)))
	c.passHours(t, clock)
	message := c.sendRetried(t)
	batch := c.beginDay(t)
	c.drawHour(t)
	stop := c.sendSteadily(t)
	defer stop()

	w := c.open(t, operator, sized(1360, 900))
	w.await("traffic", `Accepted\s+1\d\.?\d* per second\s+Sent\s+[3-4]\d`)
	w.picture("overview")
	w.follow(link("Problems"))
	w.picture("problems")
	w.visit("/console/messages/" + message)
	w.picture("message")
	w.visit("/console/batches/" + batch)
	w.await("the time of its end", `It is done at`)
	w.picture("batch")
	phone := c.open(t, operator, sized(390, 844), preferring("dark"))
	phone.picture("phone")
}

// picture writes a picture of the window.
func (w *window) picture(name string) {
	w.t.Helper()
	shot, err := chromedp.Run(w.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		w.t.Fatal(err)
	}
	decoded, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		w.t.Fatal(err)
	}
	var small bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&small, fewColors(decoded)); err != nil {
		w.t.Fatal(err)
	}
	if small.Len() > pictureMost {
		w.t.Errorf("the picture of %s has %d bytes", name, small.Len())
	}
	if err := os.MkdirAll(images, 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(images, "console-"+name+".png"), small.Bytes(), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// fewColors is a picture in its 256 most frequent colours, which makes it much smaller:
// the others are shades at the edges of letters.
func fewColors(from image.Image) *image.Paletted {
	const most = 256
	counts := make(map[color.RGBA]int)
	bounds := from.Bounds()
	at := func(x, y int) color.RGBA {
		c, _ := color.RGBAModel.Convert(from.At(x, y)).(color.RGBA)
		return c
	}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			counts[at(x, y)]++
		}
	}
	frequent := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int {
		return cmp.Or(counts[b]-counts[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
	})
	palette := make(color.Palette, 0, most)
	for _, c := range frequent[:min(len(frequent), most)] {
		palette = append(palette, c)
	}
	nearest := make(map[color.RGBA]uint8, len(frequent))
	for _, c := range frequent {
		nearest[c] = uint8(palette.Index(c))
	}
	to := image.NewPaletted(bounds, palette)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			to.SetColorIndex(x, y, nearest[at(x, y)])
		}
	}
	return to
}

// history is how much time passes before the pictures are taken.
const history = 11 * time.Hour

// passHours has failures of several causes in each hour.
func (c *console) passHours(t *testing.T, clock *redistest.Clock) {
	t.Helper()
	const step = time.Hour
	failures := []struct {
		tenant, behavior string
		most, phase      float64
	}{
		{acme, "E110", 6, 0},
		{umbrella, "E114", 4, 2},
		{umbrella, "failed", 5, 3},
		{hooli, "E351", 3, 4},
		{hooli, "expired", 2, 1},
		{acme, "reset", 0.7, 5},
	}
	for past := history; ; past -= step {
		c.awaitClock(t, time.Now().Add(-past))
		for _, f := range failures {
			wave := 1 + math.Sin(past.Hours()/4+f.phase)
			ids := c.sendAll(t, f.tenant, int(math.Round(f.most*wave/2)), func() fields {
				to := numberPool.Next()
				c.sim.ForNumber(to, 0, f.behavior)
				return fields{"to": to}
			})
			c.awaitFinal(t, f.tenant, ids...)
		}
		if past <= 0 {
			return
		}
		clock.Move(-past + step)
	}
}

// awaitClock waits until the api has followed Redis' clock to a time.
func (c *console) awaitClock(t *testing.T, to time.Time) {
	t.Helper()
	asOf := regexp.MustCompile(`As of <time[^>]*>([^<]+)<`)
	harness.Await(t, "the clock at "+to.String(), harness.Patience, func() (bool, string) {
		page, err := c.client.Get(t.Context(), c.admin+"/console/audit", harness.Header{Name: "Authorization", Value: credentials(operator)})
		found := asOf.FindSubmatch(page.Body)
		if err != nil || found == nil {
			return false, fmt.Sprint(page, err)
		}
		at, err := time.Parse("2006-01-02 15:04:05Z", string(found[1]))
		return err == nil && at.Sub(to).Abs() < time.Hour/2, string(found[1])
	})
}

// awaitFinal waits until messages wait for nothing.
func (c *console) awaitFinal(t *testing.T, tenant string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		var r struct{ Status string }
		harness.Await(t, "the end of "+id, harness.Patience, func() (bool, string) {
			c.call(t, tenant, http.MethodGet, "/v1/messages/"+id, nil, &r)
			return r.Status != "queued" && r.Status != "sending" && r.Status != "sent", r.Status
		})
	}
}

// sendRetried sends a message whose first attempts are not sent, and whose callback is
// not received at first, and returns its id.
func (c *console) sendRetried(t *testing.T) string {
	t.Helper()
	var requests atomic.Int64
	hooks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	t.Cleanup(hooks.Close)
	to := numberPool.Next()
	c.sim.ForNumber(to, 2, "415")
	id := c.send(t, acme, fields{"to": to, "clientReference": "order-48213", "callbackUrl": hooks.URL, "priority": "high"})
	c.awaitStatus(t, acme, "delivered", id)
	return id
}

// beginDay pauses a tenant, and begins a batch, whose id it returns.
func (c *console) beginDay(t *testing.T) string {
	t.Helper()
	scope, err := pause.Tenant(initech)
	if err != nil {
		t.Fatal(err)
	}
	if err := control.New(c.redis, admin, control.FromConsole).Pause(t.Context(), scope, "Images of the newsletter are checked"); err != nil {
		t.Fatal(err)
	}
	c.batch(t, initech, "clientReference=newsletter-december", 180, fields{"priority": "bulk"})
	id := c.batch(t, globex, "clientReference=winter-sale", 3200, fields{"priority": "bulk"})
	later := time.Now().Add(3 * time.Hour).UTC().Format(time.RFC3339)
	c.sendAll(t, acme, 24, func() fields { return fields{"sendAt": later} })
	return id
}

// drawHour replaces the samples of the last hour by those of an hour with traffic, which
// end where the counts are now.
func (c *console) drawHour(t *testing.T) {
	t.Helper()
	now := c.latestSample(t)
	hour := drawSamples(now)
	members := make([]redis.Z, len(hour))
	for i, s := range hour {
		value, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		members[i] = redis.Z{Score: float64(s.At.UnixMilli()), Member: value}
	}
	if err := c.redis.Del(t.Context(), samplesKey).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.redis.ZAdd(t.Context(), samplesKey, members...).Err(); err != nil {
		t.Fatal(err)
	}
}

// latestSample waits for a sample that has the whole batch.
func (c *console) latestSample(t *testing.T) status.Sample {
	t.Helper()
	var now status.Sample
	harness.Await(t, "a sample with the batch", harness.Patience, func() (bool, string) {
		samples, err := status.History(t.Context(), c.redis)
		if err != nil || len(samples) < 2 {
			return false, fmt.Sprint(err)
		}
		before := samples[len(samples)-2]
		now = samples[len(samples)-1]
		return now.Waiting > 2000 && now.Today.Accepted == before.Today.Accepted, fmt.Sprint(now.Waiting)
	})
	return now
}

// drawSamples draws an hour of traffic: a wave with a campaign in it, which is sent at
// the pace, and at the end the batch that is waiting now.
func drawSamples(now status.Sample) []status.Sample {
	const (
		every, count = 5, 720 // seconds, samples
		pace         = 40
	)
	var accepted, sent, failed, waiting float64
	hour := make([]status.Sample, count)
	for i := range hour {
		at := float64(i) / count
		rate := 14 + 4*math.Sin(at*19) + 2*math.Sin(at*71) + 1.5*math.Sin(at*173)
		switch {
		case at > 0.34 && at < 0.41:
			rate += 55
		case at > 0.985:
			rate += 44
		}
		out := min(pace+math.Sin(at*311), rate*0.99+waiting/60)
		waiting = max(0, waiting+(rate-out)*every)
		accepted, sent, failed = accepted+rate*every, sent+out*every, failed+0.0058*every
		hour[i] = status.Sample{
			At: now.At.Add(time.Duration(i-count+1) * every * time.Second), Waiting: int64(waiting),
			Today:     status.Totals{Accepted: int64(accepted), Sent: int64(sent), Failed: int64(failed)},
			Yesterday: now.Yesterday,
		}
	}
	for i := range hour { // the last one is now
		hour[i].Today.Accepted += now.Today.Accepted - int64(accepted)
		hour[i].Today.Sent += now.Today.Sent - int64(sent)
		hour[i].Today.Failed += now.Today.Failed - int64(failed)
	}
	return hour
}

// sendSteadily sends messages of all tenants until it is stopped.
func (c *console) sendSteadily(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	for tenant, m := range map[string]fields{acme: {"priority": "high"}, globex: {}, hooli: {}, umbrella: {}} {
		done.Go(func() {
			tick := time.NewTicker(300 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					c.send(t, tenant, m)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	return func() { cancel(); done.Wait() }
}
