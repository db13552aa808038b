package operator_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/apikey"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/throttle"
)

// TestEveryChangeIsRecordedFirst: each change has its entry, newest first, and
// one that cannot be recorded does not take place.
func TestEveryChangeIsRecordedFirst(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb, ctx := server.Client(t), t.Context()
	ann := operator.New(rdb, "ann", operator.FromCtl)

	if err := ann.SetRate(ctx, 25, ""); !errors.Is(err, operator.ErrReason) {
		t.Errorf("a pace without a reason: %v", err)
	}
	if err := ann.SetRate(ctx, -1, "x"); !errors.Is(err, throttle.ErrRate) {
		t.Errorf("a pace out of bounds: %v", err)
	}
	must(t, ann.SetRate(ctx, 25, "call +12065551212 first"))
	must(t, ann.SetRate(ctx, 30, "more"))
	must(t, ann.ResetRate(ctx, ""))
	key, info, err := ann.CreateKey(ctx, apikey.Settings{Tenant: "acme", Scopes: apikey.AllScopes})
	must(t, err)
	_, err = ann.UpdateKey(ctx, info.ID, func(s *apikey.Settings) { s.Rate = 7 })
	must(t, err)
	_, next, err := ann.RotateKey(ctx, info.ID, time.Hour)
	must(t, err)
	must(t, ann.RevokeKey(ctx, next.ID))
	must(t, operator.New(rdb, "bob", operator.FromConsole).Record(ctx, operator.Change{
		Action: operator.ActionPersonErase, Target: message.Masked("+12065551212"), Before: 12,
	}))

	entries, err := operator.Audit(ctx, rdb, time.Now().Add(-time.Hour))
	must(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, fmt.Sprintf("%s %s %s %s %s", e.Actor, e.From, e.Action, e.Target, e.Reason))
	}
	want := []string{
		"bob console person.erase +1…12 ", "ann mmsctl key.revoke " + next.ID + " ", "ann mmsctl key.rotate " + info.ID + " ",
		"ann mmsctl key.update " + info.ID + " ", "ann mmsctl key.create " + info.ID + " ", "ann mmsctl rate.reset account ",
		"ann mmsctl rate.set account more", "ann mmsctl rate.set account call [number] first",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	text, err := json.Marshal(entries)
	must(t, err)
	for _, part := range []string{`"before":{"perSecond":25},"after":{"perSecond":30}`, `"before":null,"after":{"perSecond":25}`, `"before":{"perSecond":30},"after":null`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("no %s in %s", part, text)
		}
	}
	if strings.Contains(string(text), key) || strings.Contains(string(text), "2065551212") {
		t.Errorf("a key or a number in %s", text)
	}
	if late, err := operator.Audit(ctx, rdb, time.Now().Add(time.Hour)); err != nil || len(late) != 0 {
		t.Errorf("%v, %v", late, err)
	}

	must(t, rdb.Del(ctx, "mms:{m}:audit").Err())
	must(t, rdb.Set(ctx, "mms:{m}:audit", "no list", 0).Err())
	if err := ann.SetRate(ctx, 40, "unrecorded"); !errors.Is(err, operator.ErrUnavailable) {
		t.Errorf("a pace that cannot be recorded: %v", err)
	}
	if err := ann.RevokeKey(ctx, info.ID); !errors.Is(err, operator.ErrUnavailable) {
		t.Errorf("a key that cannot be recorded: %v", err)
	}
	if rate, err := throttle.CurrentRate(ctx, rdb, ""); rate != nil || err != nil {
		t.Errorf("an unrecorded pace is in force: %v, %v", rate, err)
	}
	if keys, err := apikey.NewStore(rdb).List(ctx); err != nil || !keys[0].RevokedAt.IsZero() {
		t.Errorf("an unrecorded revocation is in force: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
