package isolation_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/redisconn"
	"mmsdispatch/test/harness"
)

// Scheduled rows fill the share of their tenant, and leave the lane open.
func TestFloodOfScheduledRows(t *testing.T) {
	t.Parallel()
	s := start(t, settings{noWorker: true, env: map[string]string{"QUEUE_LIMIT": "100"}})
	at := map[string]any{"sendAt": time.Now().Add(time.Hour), "priority": "normal"}
	if b := s.greedy.stream(s.greedy.rows(150, at)); b.Accepted != 50 || b.Rejected != 100 {
		t.Errorf("of 150 scheduled rows: %+v; want half of the lane", b)
	}
	refused := s.greedy.post("/v1/messages", s.greedy.body(nil))
	if refused.Status != http.StatusServiceUnavailable || !strings.Contains(string(refused.Body), `"backpressure"`) {
		t.Errorf("the tenant that has its share: %s", refused)
	}
	s.victim.sends(50)
	if over := s.victim.post("/v1/messages", s.victim.body(nil)); over.Status != http.StatusServiceUnavailable {
		t.Errorf("a full lane: %s", over)
	}
}

// Large rows fill the memory of their tenant, and no more of Redis than messages
// may.
func TestMemoryShare(t *testing.T) {
	t.Parallel()
	s := start(t, settings{noWorker: true, redis: []string{"--maxmemory", "48mb", "--maxmemory-policy", "noeviction"}})
	rows := s.greedy.rows(100, heavy())
	for rejected := 0; rejected == 0; {
		rejected = s.greedy.stream(rows).Rejected
	}
	ids, _ := s.victim.sends(20)
	if got := s.victim.status(ids[0], s.victim.key); got != "queued" {
		t.Errorf("a message of the victim is %s", got)
	}
	rdb := s.redis.Client(t)
	text, err := rdb.Info(t.Context(), "memory").Result()
	if err != nil {
		t.Fatal(err)
	}
	memory := redisconn.ParseInfo(text)
	used, _ := strconv.ParseFloat(memory["used_memory"], 64)
	most, _ := strconv.ParseFloat(memory["maxmemory"], 64)
	if share := used / most; share > 0.60 || share < 0.25 {
		t.Errorf("%.0f %% of the memory are used, want about half of 85", 100*share)
	}
}

// At 100 % of the memory nothing is accepted, and STOPs, opt-outs and receipts are
// recorded.
func TestMemoryIsFull(t *testing.T) {
	t.Parallel()
	s := start(t, settings{redis: []string{"--maxmemory", "64mb", "--maxmemory-policy", "noeviction"}})
	m, _ := s.victim.send(map[string]any{"to": numberPool.Ending("9007")})
	s.sim.AwaitCalls(m.ID, 1)
	harness.Await(t, "end of the call", harness.Patience, func() (bool, string) {
		got := s.victim.status(m.ID, s.victim.key)
		return got == "sent" || got == "delivered", got
	})
	if err := s.redis.Client(t).ConfigSet(t.Context(), "maxmemory", "1mb").Err(); err != nil {
		t.Fatal(err)
	}
	if got := s.victim.post("/v1/messages", s.victim.body(nil)); got.Status != http.StatusServiceUnavailable {
		t.Errorf("a message: %s", got)
	}
	number := numberPool.Next()
	put, err := s.victim.client.Do(t.Context(), http.MethodPut, s.base+"/v1/suppressions/%2B"+number[1:], nil, harness.Bearer(s.victim.key))
	if err != nil || put.Status != http.StatusCreated {
		t.Errorf("an opt-out: %s %v", put, err)
	}
	const token = "?token=receipt-token-of-this-suite"
	for path, body := range map[string]string{
		"/webhooks/sinch/inbound": `{"type":"mo_text","id":"01FC66621XXXXX119Z8PMV1QPQ","from":"` + numberPool.Next()[1:] +
			`","to":"12065550100","body":"STOP","received_at":"2026-01-01T00:00:00Z"}`,
		"/webhooks/sinch/dlr": `{"action":"postback-sendmms","status":"success","code":"N102","client-reference":"` + m.ID + `-1"}`,
	} {
		got, err := s.victim.client.Do(t.Context(), http.MethodPost, s.base+path+token, body)
		if err != nil || got.Status != http.StatusOK {
			t.Errorf("%s: %s %v", path, got, err)
		}
	}
}

// At 100 % of the memory a signed receipt is recorded, and so is its nonce: the same
// one again has no effect.
func TestSignedReceiptWithFullMemory(t *testing.T) {
	t.Parallel()
	const secret = "secret-of-the-receipts"
	s := start(t, settings{
		env: map[string]string{
			"SINCH_API": "batches", "SINCH_SERVICE_PLAN_ID": "plan", "SINCH_WEBHOOK_SECRET": secret, "SINCH_CALLBACK_URL": "https://receipts.example.com",
		},
		redis: []string{"--maxmemory", "64mb", "--maxmemory-policy", "noeviction"},
	})
	m, _ := s.victim.send(nil)
	s.sim.AwaitCalls(m.ID, 1)
	var sinchID string
	harness.Await(t, "end of the call", harness.Patience, func() (bool, string) {
		got := s.victim.get(m.ID, s.victim.key)
		sinchID = got.SinchID
		return got.Status == "sent", got.Status
	})
	if err := s.redis.Client(t).ConfigSet(t.Context(), "maxmemory", "1mb").Err(); err != nil {
		t.Fatal(err)
	}
	body := `{"type":"recipient_delivery_report_mms","batch_id":"` + sinchID + `","recipient":"` + m.To[1:] + `","code":0,"status":"Delivered"}`
	headers := signed(secret, body)
	for _, state := range []string{"delivered", "delivered"} {
		got, err := s.victim.client.Do(t.Context(), http.MethodPost, s.base+"/webhooks/sinch/dlr?token=receipt-token-of-this-suite", body, headers...)
		if err != nil || got.Status != http.StatusOK {
			t.Fatalf("a signed receipt: %s %v", got, err)
		}
		if got := s.victim.status(m.ID, s.victim.key); got != state {
			t.Errorf("the message is %s", got)
		}
	}
	seen, err := s.redis.Client(t).Keys(t.Context(), "*nonce:*").Result()
	if err != nil || len(seen) != 1 {
		t.Errorf("nonces that are kept: %v, %v", seen, err)
	}
}

// signed are the headers of a receipt that Sinch signs.
func signed(secret, body string) []harness.Header {
	nonce, stamp := rand.Text(), strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body + "." + nonce + "." + stamp))
	const prefix = "X-Sinch-Webhook-Signature"
	return []harness.Header{
		{Name: prefix, Value: base64.StdEncoding.EncodeToString(mac.Sum(nil))},
		{Name: prefix + "-Nonce", Value: nonce},
		{Name: prefix + "-Timestamp", Value: stamp},
		{Name: prefix + "-Algorithm", Value: "HmacSHA256"},
	}
}
