package message

import (
	"crypto/hmac"
	"crypto/sha256"
	"strconv"
	"strings"
	"time"
)

// batchPrefix begins the id of a batch. The rest is formed like a message's.
const batchPrefix = "bat_"

// BatchID identifies a batch.
type BatchID string

// NewBatchID makes an id from an identity and the time of creation.
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

// Identity is the part of the id that the ledger's keys are made of.
func (id BatchID) Identity() string {
	return string(id[len(batchPrefix)+len(idVersion):][:identityChars])
}

// Packed is the id in as few bytes as it has, as ID.Packed.
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

// BatchIdentity is the identity of the batch that a scope knows under ref.
func BatchIdentity(secret []byte, scope Scope, ref string) [identityBytes]byte {
	return keyed(secret, "batch\x00"+scope.String()+"\x00"+ref)
}

// RowIdentity is the identity of a row without a reference of its own in a
// batch that has one, so that sending the batch again continues it.
func RowIdentity(secret []byte, batch BatchID, index int64) [identityBytes]byte {
	return keyed(secret, "row\x00"+batch.Identity()+"\x00"+strconv.FormatInt(index, 10))
}

// keyed is an identity that gives nothing away of what it is made from.
func keyed(secret []byte, text string) [identityBytes]byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return [identityBytes]byte(mac.Sum(nil)[:identityBytes])
}
