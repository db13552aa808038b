package operator

import (
	"context"
	"time"

	"mmsdispatch/internal/apikey"
)

// keySettings are the settings of a key as an audit entry shows them.
type keySettings struct {
	ID        string     `json:"id"`
	Tenant    string     `json:"tenant"`
	Name      string     `json:"name"`
	Test      bool       `json:"test"`
	Scopes    []string   `json:"scopes"`
	Rate      float64    `json:"rate"`
	Daily     int64      `json:"daily"`
	ExpiresAt *time.Time `json:"expiresAt"`
	RevokedAt *time.Time `json:"revokedAt"`
}

func settingsOf(info *apikey.Info) any {
	if info == nil {
		return nil
	}
	return keySettings{
		ID: info.ID, Tenant: info.Tenant, Name: info.Name, Test: info.Test, Scopes: info.Scopes.Names(), Rate: info.Rate, Daily: info.Daily,
		ExpiresAt: instant(info.ExpiresAt), RevokedAt: instant(info.RevokedAt),
	}
}

// instant is nil for a zero time.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// keys is the key store with changes recorded as an action.
func (o *Operator) keys(action Action) *apikey.Store {
	return apikey.NewStore(o.rdb).Announcing(func(ctx context.Context, before, after *apikey.Info) error {
		target := after
		if before != nil {
			target = before
		}
		return o.Record(ctx, Change{Action: action, Target: target.ID, Before: settingsOf(before), After: settingsOf(after)})
	})
}

// CreateKey is apikey.Store.Create, recorded.
func (o *Operator) CreateKey(ctx context.Context, settings apikey.Settings) (plaintext string, info apikey.Info, err error) {
	return o.keys(ActionKeyCreate).Create(ctx, settings)
}

// UpdateKey is apikey.Store.Update, recorded.
func (o *Operator) UpdateKey(ctx context.Context, id string, change func(*apikey.Settings)) (apikey.Info, error) {
	return o.keys(ActionKeyUpdate).Update(ctx, id, change)
}

// RotateKey is apikey.Store.Rotate, recorded. The entry shows the new key after
// the old one.
func (o *Operator) RotateKey(ctx context.Context, id string, overlap time.Duration) (plaintext string, info apikey.Info, err error) {
	return o.keys(ActionKeyRotate).Rotate(ctx, id, overlap)
}

// RevokeKey is apikey.Store.Revoke, recorded.
func (o *Operator) RevokeKey(ctx context.Context, id string) error {
	return o.keys(ActionKeyRevoke).Revoke(ctx, id)
}
