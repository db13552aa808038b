package apikey

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// record is a key in Redis. Fields added by later versions are absent from older
// records.
type record struct {
	Digest    string    `json:"sha256"`
	Tenant    string    `json:"tenant"`
	Test      bool      `json:"test"`
	CreatedAt time.Time `json:"createdAt"`
	Name      string    `json:"name,omitempty"`
	Scopes    []string  `json:"scopes,omitempty"` // absent: all
	Rate      float64   `json:"rate,omitempty"`
	Daily     int64     `json:"daily,omitempty"`
	Quota     string    `json:"quota,omitempty"` // id of the first of the keys that share the count; absent: its own
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	RevokedAt time.Time `json:"revokedAt,omitzero"`
}

func newRecord(d digest, settings Settings, created time.Time) record {
	r := record{Digest: hex.EncodeToString(d[:]), Tenant: settings.Tenant, Test: settings.Test, CreatedAt: created}
	r = r.with(settings)
	return r
}

func decode(field, value string) (record, error) {
	var r record
	if err := json.Unmarshal([]byte(value), &r); err != nil {
		return record{}, unavailable(fmt.Errorf("read stored key %s: %w", field, err))
	}
	return r, nil
}

func (r record) encode() (string, error) {
	value, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encode API key: %w", err)
	}
	return string(value), nil
}

// field is the key's field in the hash.
func (r record) field() string {
	const digits = 2 * idBytes
	return r.Digest[:min(digits, len(r.Digest))]
}

func (r record) scopes() Scopes {
	if len(r.Scopes) == 0 {
		return AllScopes
	}
	scopes, _ := ParseScopes(strings.Join(r.Scopes, ",")) // none, when the record names what this version does not know
	return scopes
}

func (r record) settings() Settings {
	return Settings{Tenant: r.Tenant, Test: r.Test, Name: r.Name, Scopes: r.scopes(), Rate: r.Rate, Daily: r.Daily, ExpiresAt: r.ExpiresAt}
}

// with returns the record with the settings that can be changed.
func (r record) with(s Settings) record {
	r.Name, r.Scopes, r.Rate, r.Daily, r.ExpiresAt = s.Name, s.Scopes.Names(), s.Rate, s.Daily, s.ExpiresAt
	return r
}

// quota names the count of the day: that of the key which this one replaces.
func (r record) quota() string { return cmp.Or(r.Quota, r.field()) }

func (r record) info(used time.Time) Info {
	return Info{Settings: r.settings(), ID: idPrefix + r.field(), CreatedAt: r.CreatedAt, LastUsedAt: used, RevokedAt: r.RevokedAt}
}

func (r record) principal(id string) Principal {
	return Principal{
		Tenant: r.Tenant, Test: r.Test, KeyID: id, Scopes: r.scopes(),
		Rate: r.Rate, Daily: r.Daily, Quota: r.quota(), ExpiresAt: r.ExpiresAt,
	}
}
