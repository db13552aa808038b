package message

import (
	"strings"
	"time"
)

// batchPrefix begins the id of a batch. The rest is formed like a message's.
const batchPrefix = "bat_"

// BatchID identifies a batch.
type BatchID string

// NewBatchID builds an id from an identity and the time of creation.
func NewBatchID(identity [identityBytes]byte, created time.Time) BatchID {
	return BatchID(batchPrefix + NewID(identity, created).Short())
}

// ParseBatchID checks the form of an id.
func ParseBatchID(s string) (BatchID, error) {
	short, ok := strings.CutPrefix(s, batchPrefix)
	if !ok {
		return "", ErrMalformedID
	}
	if _, err := ParseID(idPrefix + short); err != nil {
		return "", err
	}
	return BatchID(s), nil
}

// Identity is the part of the id that names the batch in the ledger.
func (id BatchID) Identity() string {
	return string(id[len(batchPrefix)+len(idVersion):][:identityChars])
}

// Packed is the binary form of the id, as ID.Packed.
func (id BatchID) Packed() string {
	return ID(idPrefix + string(id[len(batchPrefix):])).Packed()
}

// UnpackBatchID is the reverse of Packed.
func UnpackBatchID(packed string) (BatchID, error) {
	id, err := UnpackID(packed)
	if err != nil {
		return "", err
	}
	return BatchID(batchPrefix + id.Short()), nil
}
