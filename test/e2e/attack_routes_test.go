package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"mmsdispatch/test/harness"
)

// operation is a route of the document that needs a key.
type operation struct {
	method, path string
}

func (o operation) String() string { return o.method + " " + o.path }

// privateOperations are all routes of the served document that need a key, HEAD of
// each GET included. A new route is therefore attacked, too.
func (s *stack) privateOperations() []operation {
	s.t.Helper()
	var document struct {
		Paths map[string]map[string]any
	}
	s.read(s.want(s.call(http.MethodGet, "/openapi.json", nil), http.StatusOK), &document)
	var all []operation
	for path, methods := range document.Paths {
		for method, described := range methods {
			described, isOperation := described.(map[string]any)
			method = strings.ToUpper(method)
			if !isOperation || !slices.Contains([]string{"GET", "POST", "PUT", "DELETE", "PATCH"}, method) {
				continue
			}
			if _, open := described["security"]; open { // other credentials, or none
				continue
			}
			all = append(all, operation{method, path})
			if method == http.MethodGet {
				all = append(all, operation{http.MethodHead, path})
			}
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.String(), b.String()) })
	const known = 30 // of them; fewer would mean that the document is read wrongly
	if len(all) < known {
		s.t.Fatalf("the document has %d routes that need a key", len(all))
	}
	return all
}

// objects are what a tenant owns, one for each parameter of a path.
type objects struct {
	message, batch, number, media, delivery, replay string
}

// fill is the path of an operation with the objects of a tenant. A parameter that
// it does not know fails the test: it has to be added.
func (o objects) fill(t *testing.T, path string) string {
	t.Helper()
	named := strings.NewReplacer(
		"/v1/messages/{id}", "/v1/messages/"+o.message, "{batchId}", o.batch, "{number}", "%2B"+strings.TrimPrefix(o.number, "+"),
		"{mediaId}", o.media, "{deliveryId}", o.delivery, "{replayId}", o.replay,
	).Replace(path)
	if strings.Contains(named, "{") {
		t.Fatalf("no object for the parameter of %s", path)
	}
	return named
}

// own makes one of each of the objects that a tenant can have.
func (s *stack) own() objects {
	s.t.Helper()
	s.want(s.call(http.MethodPut, "/v1/callback", map[string]any{"url": "https://127.0.0.1:9/hook", "events": []string{"*"}}), http.StatusOK)
	o := objects{number: numberPool.Next()}
	o.message = s.send(message{"clientReference": "attacked", "to": o.number})
	s.awaitStatus(o.message, "delivered")
	o.batch = s.stream("clientReference=attacked", s.rows(2)).ID
	s.awaitDone(o.batch)
	s.want(s.call(http.MethodPut, optOut(o.number), nil), http.StatusCreated)
	o.media = s.uploaded("image/jpeg", jpegOf(s.t, 40, 30), http.StatusCreated).ID
	var replay struct{ ID string }
	s.read(s.want(s.call(http.MethodPost, "/v1/replays", map[string]any{"filter": map[string]any{"status": []string{"failed"}}}), http.StatusAccepted), &replay)
	o.replay = replay.ID
	s.await("a delivery", harness.Patience, func() (bool, string) {
		var page struct{ Data []struct{ ID string } }
		s.read(s.call(http.MethodGet, "/v1/callback/deliveries", nil), &page)
		if len(page.Data) > 0 {
			o.delivery = page.Data[0].ID
		}
		return o.delivery != "", "none is listed"
	})
	return o
}

// state is all that the tenant can see of its objects.
func (s *stack) state(o objects) string {
	s.t.Helper()
	var seen strings.Builder
	for _, path := range []string{
		"/v1/messages/" + o.message, "/v1/batches/" + o.batch, "/v1/media/" + o.media, optOut(o.number), "/v1/callback",
	} {
		got := s.want(s.call(http.MethodGet, path, nil), http.StatusOK)
		for _, changing := range []string{`"failingSince"`, `"ratePerSecond"`} { // with the deliveries, with the minute
			got.Body, _, _ = bytes.Cut(got.Body, []byte(changing))
		}
		fmt.Fprintf(&seen, "%s %s\n", path, got.Body)
	}
	return seen.String()
}

// ask makes a request of an attacker. An answer that goes on, as that of
// /v1/events, is not read.
func (s *stack) ask(o operation, path string, headers ...harness.Header) (harness.Answer, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), requestTimeout)
	defer cancel()
	var body any
	if o.method == http.MethodPost || o.method == http.MethodPut {
		body = "{}"
	}
	return s.client.Do(ctx, o.method, s.base+path, body, headers...)
}

// TestRoutesNeedTheirScope: without a valid key each route answers 401, and with a
// key that lacks its scope 403, whatever else is wrong with the request.
func TestRoutesNeedTheirScope(t *testing.T) {
	t.Parallel()
	s := start(t)
	sends, _ := s.newKey("--scopes", "send")
	reads, _ := s.newKey("--scopes", "read")
	s.awaitAnswer("the key that reads", reads, http.StatusOK, s.base)
	nothing := objects{message: "msg_none", batch: "bat_none", number: "12", media: "med_none", delivery: "dlv_none", replay: "rpl_none"}
	for _, o := range s.privateOperations() {
		path := nothing.fill(t, o.path)
		lacking := harness.Bearer(reads)
		if o.method == http.MethodGet || o.method == http.MethodHead {
			lacking = harness.Bearer(sends)
		}
		for name, attack := range map[string]struct {
			header harness.Header
			status int
			code   string
		}{
			"no key":          {harness.Header{Name: "Authorization", Value: ""}, http.StatusUnauthorized, "unauthorized"},
			"an unknown key":  {harness.Bearer("mms_live_" + strings.Repeat("x", 26)), http.StatusUnauthorized, "unauthorized"},
			"no bearer":       {harness.Header{Name: "Authorization", Value: "Basic " + s.key}, http.StatusUnauthorized, "unauthorized"},
			"the other scope": {lacking, http.StatusForbidden, "forbidden"},
		} {
			got, err := s.ask(o, path, attack.header)
			if err != nil {
				t.Fatalf("%s with %s: %v", o, name, err)
			}
			if got.Status != attack.status || o.method != http.MethodHead && !bytes.Contains(got.Body, []byte(`"`+attack.code+`"`)) {
				t.Errorf("%s with %s answers %s, want %d", o, name, got, attack.status)
			}
		}
	}
}

// foreign is what a route may answer another tenant that names what is not its own.
func foreign(o operation) []int {
	switch {
	case strings.HasPrefix(o.path, "/v1/suppressions/{number}"): // each tenant has opt-outs of its own
		switch o.method {
		case http.MethodPut:
			return []int{http.StatusCreated, http.StatusOK}
		case http.MethodDelete:
			return []int{http.StatusNoContent}
		default:
			return []int{http.StatusNotFound, http.StatusOK}
		}
	case strings.Contains(o.path, "{"):
		return []int{http.StatusNotFound}
	default: // about the caller's own
		return nil
	}
}

// TestTenantsDoNotMeet: a key of another tenant, and a test key of the same one,
// reach nothing of a tenant by any route, and change nothing of it.
func TestTenantsDoNotMeet(t *testing.T) {
	t.Parallel()
	s := start(t, with("CALLBACK_ALLOW_PRIVATE", "true"), mayScan())
	o := s.own()
	before := s.state(o)
	secrets := []string{o.message, o.batch, o.media, o.delivery, o.replay, "attacked", "/hook", o.number}
	for name, key := range map[string]string{"another tenant": s.otherKey, "a test key": s.testKey} {
		for _, op := range s.privateOperations() {
			path := o.fill(t, op.path)
			switch op.path {
			case "/v1/events": // TestStreamsDoNotMeet
				continue
			case "/v1/messages":
				if op.method == http.MethodDelete {
					path += "?to=%2B" + o.number[1:]
				}
			}
			got, err := s.ask(op, path, harness.Bearer(key))
			if err != nil {
				t.Fatalf("%s with %s: %v", op, name, err)
			}
			if want := foreign(op); want != nil && !slices.Contains(want, got.Status) {
				t.Errorf("%s with %s answers %s, want %v", op, name, got, want)
			}
			for _, secret := range secrets {
				if strings.HasPrefix(op.path, "/v1/suppressions") && secret == o.number { // which the attacker has opted out itself
					continue
				}
				if bytes.Contains(got.Body, []byte(secret)) {
					t.Errorf("%s with %s shows %s: %s", op, name, secret, got)
				}
			}
		}
	}
	if after := s.state(o); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// TestStreamsDoNotMeet: the first event that another tenant gets is its own.
func TestStreamsDoNotMeet(t *testing.T) {
	t.Parallel()
	s := start(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+"/v1/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	header := harness.Bearer(s.otherKey)
	request.Header.Set(header.Name, header.Value)
	client := http.Client{Timeout: 2 * s.conf.patience} // for the whole stream
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	theirs := s.send(message{})
	s.awaitStatus(theirs, "delivered")
	own := s.send(message{}, harness.Bearer(s.otherKey))
	var seen strings.Builder
	for buffer := make([]byte, 4096); !strings.Contains(seen.String(), "event: message.delivered"); {
		n, err := response.Body.Read(buffer)
		if err != nil {
			t.Fatalf("%v after %s", err, seen.String())
		}
		seen.Write(buffer[:n])
	}
	if !strings.Contains(seen.String(), own) || strings.Contains(seen.String(), theirs) {
		t.Errorf("%s has an event of %s", seen.String(), theirs)
	}
}

// TestReceiptsNeedTheirProof: a key of a caller does not stand for the token of
// Sinch, and what is refused changes nothing.
func TestReceiptsNeedTheirProof(t *testing.T) {
	t.Parallel()
	s := start(t)
	to := numberPool.Next()
	s.sim.ForNumber(to, 0, map[string]any{"receipts": map[string]any{"outcome": "none"}})
	id := s.send(message{"to": to})
	s.awaitStatus(id, "sent")
	for _, attack := range []struct {
		query  string
		header harness.Header
	}{
		{"", harness.Bearer(s.key)},
		{"?token=", harness.Bearer(s.key)},
		{"?token=" + s.token[:len(s.token)-1], harness.Header{Name: "Authorization", Value: ""}},
		{"?token=" + s.key, harness.Header{Name: "Authorization", Value: ""}},
	} {
		for _, path := range []string{receiptAt, "/webhooks/sinch/inbound"} {
			s.want(s.call(http.MethodPost, path+attack.query, receipt(id, 1, "N102"), attack.header), http.StatusUnauthorized)
		}
	}
	if r := s.lookUp(id); r.Status != "sent" {
		t.Errorf("%s", r)
	}
	s.want(s.receive(receipt(id, 1, "N102")), http.StatusOK)
	s.awaitStatus(id, "delivered")
}
