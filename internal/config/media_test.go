package config

import (
	"maps"
	"testing"
)

func TestMediaStore(t *testing.T) {
	t.Parallel()

	good := []string{"file:///var/lib/mms", "s3://bucket", "s3://bucket/a/b?endpoint=http://127.0.0.1:9000&region=us-east-1"}
	for _, value := range good {
		var store MediaStore
		if err := store.UnmarshalText([]byte(value)); err != nil || store.URL().String() != value {
			t.Errorf("%s: %v, %v", value, store.URL(), err)
		}
	}

	bad := []string{"/var/lib", "file://host/path", "file:///p?x=1", "s3://", "s3:///prefix", "s3://key:secret@bucket", "s3://b?acl=1", "http://x/y", "s3://b#f"}
	for _, value := range bad {
		var store MediaStore
		if err := store.UnmarshalText([]byte(value)); err == nil {
			t.Errorf("%s is taken", value)
		}
	}
}

func TestSenderBytes(t *testing.T) {
	t.Parallel()

	var limits SenderBytes
	if err := limits.UnmarshalText([]byte("+12065550100=1000000, 12065550101=700000,28444=600000")); err != nil {
		t.Fatal(err)
	}

	got := limits.Limits()
	if len(got) != 3 || got["+12065550100"] != 1_000_000 || got["+12065550101"] != 700_000 || got["28444"] != 600_000 {
		t.Errorf("%v", got)
	}

	for _, value := range []string{"", "28444", "28444=", "28444=0", "28444=1MB", "x=1", "28444=1,"} {
		if err := new(SenderBytes).UnmarshalText([]byte(value)); err == nil {
			t.Errorf("%q is taken", value)
		}
	}
}

func TestPublicURL(t *testing.T) {
	t.Parallel()

	base := map[string]string{"SINCH_NUMBER": "+12065550100", "SINCH_API_TOKEN": "t", "SINCH_API": "mms"}
	with := func(more map[string]string) map[string]string {
		maps.Copy(more, base)
		return more
	}

	if _, err := Load(Worker, with(map[string]string{"MEDIA_FIT": "on"})); err == nil {
		t.Error("MEDIA_FIT without an URL to host media at is taken")
	}

	cfg, err := Load(Worker, with(map[string]string{"MEDIA_FIT": "on", "SINCH_CALLBACK_URL": "https://a.example.com/mms/"}))
	if err != nil || cfg.PublicURL() != "https://a.example.com/mms" {
		t.Errorf("%v", err)
	}

	cfg, err = Load(Worker, with(map[string]string{"PUBLIC_URL": "https://m.example.com", "SINCH_CALLBACK_URL": "https://a.example.com"}))
	if err != nil || cfg.PublicURL() != "https://m.example.com" {
		t.Errorf("%v", err)
	}
}
