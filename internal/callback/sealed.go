package callback

import (
	"fmt"
	"strings"

	"mmsdispatch/internal/encryption"
)

// sealedMark begins an encrypted value. Neither JSON nor a URL begins with it.
const sealedMark = "\x00"

// sealer encrypts what is kept of messages for their events: bodies and URLs. With
// keys that are off it passes values through.
type sealer struct{ keys *encryption.Keys }

// seal encrypts a value that is kept at a place, which is a Redis key and a field.
func (s sealer) seal(value, place string) string {
	if value == "" || !s.keys.On() {
		return value
	}
	return sealedMark + string(s.keys.Seal([]byte(value), []byte(place)))
}

// open decrypts a value, also one that was kept before encryption was switched on.
func (s sealer) open(value, place string) (string, error) {
	sealed, ok := strings.CutPrefix(value, sealedMark)
	if !ok {
		return value, nil
	}
	plain, err := s.keys.Open([]byte(sealed), []byte(place))
	if err != nil {
		return "", fmt.Errorf("decrypt %s: %w", place, err)
	}
	return string(plain), nil
}

// The places of values in the hash of a delivery and in the stream of a scope.
func ownPlace(delivery string) string     { return deliveryKey(delivery) + " own" }
func dataPlace(delivery string) string    { return deliveryKey(delivery) + " data" }
func streamPlace(scope string) string     { return streamKey(scope) }
func outboxPlace(delivery string) string  { return outboxKey + " " + delivery }
func attemptPlace(delivery string) string { return deliveryKey(delivery) + " url" }
