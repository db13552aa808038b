package ledger

import (
	"encoding/base64"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/encoding/protowire"
)

// Sinch's ids are base64 of a text, base64url of random bytes or ULIDs, by API. A
// record has them as their bytes, and an id in any other form as it stands.

// sinchIDLength is the length up to which an id is taken for one of Sinch's.
const sinchIDLength = 64

// sinchID writes Sinch's id of a message in the first form that returns it unchanged.
func (w *writer) sinchID(id string) {
	if id == "" || len(id) > sinchIDLength {
		w.text(fieldSinchID, id)
		return
	}
	var room, again [sinchIDLength]byte
	for _, field := range [...]protowire.Number{fieldSinchIDULID, fieldSinchIDURL, fieldSinchIDBase64} {
		const longerTag = 1
		packed := appendPackedID(room[:0], field, id)
		if packed != nil && len(packed)+longerTag < len(id) && string(appendID(again[:0], field, packed)) == id {
			w.bytes(field, packed)
			return
		}
	}
	w.text(fieldSinchID, id)
}

// appendPackedID packs an id in the form of a field; nil when it has another one.
func appendPackedID(out []byte, field protowire.Number, id string) []byte {
	var err error
	switch field {
	case fieldSinchIDULID:
		var u ulid.ULID
		u, err = ulid.ParseStrict(id)
		out = append(out, u[:]...)
	case fieldSinchIDURL:
		out, err = base64.RawURLEncoding.AppendDecode(out, []byte(id))
	case fieldSinchIDBase64:
		out, err = base64.StdEncoding.AppendDecode(out, []byte(id))
	default:
		return nil
	}
	if err != nil {
		return nil
	}
	return out
}

// appendID is the reverse of appendPackedID.
func appendID(out []byte, field protowire.Number, packed []byte) []byte {
	switch {
	case field == fieldSinchIDULID && len(packed) == len(ulid.ULID{}):
		var text [ulid.EncodedSize]byte
		_ = ulid.ULID(packed).MarshalTextTo(text[:]) // it has the right size
		return append(out, text[:]...)
	case field == fieldSinchIDURL:
		return base64.RawURLEncoding.AppendEncode(out, packed)
	case field == fieldSinchIDBase64:
		return base64.StdEncoding.AppendEncode(out, packed)
	default:
		return append(out, packed...)
	}
}
