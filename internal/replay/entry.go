package replay

import (
	"encoding/binary"
	"errors"
	"slices"
	"strconv"

	"mmsdispatch/internal/message"
)

// entry is a selected message with the version of its record.
type entry struct {
	id      message.ID
	version int64
}

var errEntry = errors.New("entry of a replay is damaged")

// pack is the binary form: the packed id and the version as a varint.
func (e entry) pack() string { return string(binary.AppendVarint([]byte(e.id.Packed()), e.version)) }

// unpack is the reverse of pack.
func unpack(packed string) (entry, error) {
	if len(packed) <= message.PackedLength {
		return entry{}, errEntry
	}
	id, err := message.UnpackID(packed[:message.PackedLength])
	version, n := binary.Varint([]byte(packed[message.PackedLength:]))
	if err != nil || n <= 0 {
		return entry{}, errEntry
	}
	return entry{id: id, version: version}, nil
}

// contains reports whether a list has a value; an empty list has all.
func contains[T comparable](all []T, one T) bool { return len(all) == 0 || slices.Contains(all, one) }

// number is a decimal number; 0 for anything else.
func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}
