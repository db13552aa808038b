package mediafit

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// WithoutMetadata returns a JPEG, PNG or WebP without EXIF, XMP, IPTC, comments and
// whatever follows the picture; its pixels are not touched. Of the EXIF of a JPEG
// the orientation stays. Other files, and broken ones, come back as they are.
func WithoutMetadata(contentType string, data []byte) []byte {
	var (
		stripped []byte
		ok       bool
	)
	switch contentType {
	case typeJPEG:
		stripped, ok = stripJPEG(data)
	case typePNG:
		stripped, ok = stripPNG(data)
	case typeWebP:
		stripped, ok = stripWebP(data)
	}
	if !ok {
		return data
	}
	return stripped
}

// The markers of JPEG (ITU-T T.81, B.1.1.3).
const (
	markerSOI  = 0xd8
	markerEOI  = 0xd9
	markerSOS  = 0xda
	markerRST0 = 0xd0
	markerRST7 = 0xd7
	markerTEM  = 0x01
	markerAPP0 = 0xe0
	markerAPP1 = 0xe1
	markerAPP2 = 0xe2
	markerAPPE = 0xee // Adobe: the colour transform
	markerAPPF = 0xef
	markerCOM  = 0xfe
)

var (
	exifHeader = []byte("Exif\x00\x00")
	iccHeader  = []byte("ICC_PROFILE\x00")
)

// stripJPEG keeps the segments that the picture is made of.
func stripJPEG(data []byte) (stripped []byte, ok bool) {
	if len(data) < 2 || data[0] != 0xff || data[1] != markerSOI {
		return nil, false
	}
	stripped = append(make([]byte, 0, len(data)+len(exifHeader)), data[:2]...)
	for rest := data[2:]; ; {
		marker, segment, after, ok := nextSegment(rest)
		if !ok {
			return nil, false
		}
		if marker == markerEOI {
			return append(stripped, markerStart, markerEOI), true
		}
		rest = after
		switch {
		case marker == markerAPP1:
			if turned := orientation(segment[segmentHead:]); turned > 1 {
				stripped = append(stripped, orientationSegment(turned)...)
			}
		case !isMetadata(marker, segment):
			stripped = append(stripped, segment...)
		}
		if marker == markerSOS {
			scan := scanLength(rest)
			stripped, rest = append(stripped, rest[:scan]...), rest[scan:]
		}
	}
}

// nextSegment returns the marker segment that data begins with, without fill bytes,
// and what follows it.
func nextSegment(data []byte) (marker byte, segment, rest []byte, ok bool) {
	for len(data) > 1 && data[0] == 0xff && data[1] == 0xff {
		data = data[1:]
	}
	if len(data) < 2 || data[0] != 0xff {
		return 0, nil, nil, false
	}
	marker = data[1]
	if marker == markerEOI || marker == markerTEM || marker >= markerRST0 && marker <= markerRST7 {
		return marker, data[:2], data[2:], true
	}
	if len(data) < segmentHead {
		return 0, nil, nil, false
	}
	length := 2 + int(binary.BigEndian.Uint16(data[2:]))
	if length < segmentHead || length > len(data) {
		return 0, nil, nil, false
	}
	return marker, data[:length], data[length:], true
}

// markerStart is the byte that begins a marker.
const markerStart = 0xff

// segmentHead is how long marker and length of a segment are.
const segmentHead = 4

func isMetadata(marker byte, segment []byte) bool {
	switch marker {
	case markerAPP0, markerAPPE:
		return false
	case markerAPP2:
		return !bytes.HasPrefix(segment[segmentHead:], iccHeader)
	default:
		return marker > markerAPP0 && marker <= markerAPPF || marker == markerCOM
	}
}

// scanLength is how long entropy-coded data is: up to a marker that is none of its
// own.
func scanLength(data []byte) int {
	for i := 0; i+1 < len(data); i++ {
		if data[i] == 0xff && data[i+1] != 0 && data[i+1] != 0xff && (data[i+1] < markerRST0 || data[i+1] > markerRST7) {
			return i
		}
	}
	return len(data)
}

// The fields of EXIF that are needed (CIPA DC-008, TIFF 6.0).
const (
	tagOrientation  = 0x0112
	typeShort       = 3
	orientationLast = 8
	entrySize       = 12
)

// orientation reads the orientation out of a segment APP1; 0: it has none.
func orientation(app1 []byte) int {
	tiff, ok := bytes.CutPrefix(app1, exifHeader)
	const head = 8
	if !ok || len(tiff) < head {
		return 0
	}
	var order binary.ByteOrder = binary.LittleEndian
	if bytes.HasPrefix(tiff, []byte("MM")) {
		order = binary.BigEndian
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 0
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < entrySize {
			return 0
		}
		if order.Uint16(entries) == tagOrientation && order.Uint16(entries[2:]) == typeShort {
			if value := int(order.Uint16(entries[8:])); value <= orientationLast {
				return value
			}
			return 0
		}
		entries = entries[entrySize:]
	}
	return 0
}

// orientationSegment is a segment APP1 that holds an orientation and nothing else.
func orientationSegment(turned int) []byte {
	body := slices.Concat(exifHeader, []byte("MM\x00\x2a\x00\x00\x00\x08"), []byte{
		0, 1, tagOrientation >> 8, tagOrientation & 0xff, 0, typeShort, 0, 0, 0, 1, 0,
		byte(turned), 0, 0, 0, 0, 0, 0, //nolint:gosec // at most orientationLast
	})
	length := byte(len(body) + 2) //nolint:gosec // a few dozen bytes
	return slices.Concat([]byte{markerStart, markerAPP1, 0, length}, body)
}

var pngSignature = []byte("\x89PNG\r\n\x1a\n")

// pngMetadata are the chunks that say something about the picture (PNG, third
// edition, 11.3).
var pngMetadata = []string{"eXIf", "tEXt", "zTXt", "iTXt", "tIME"}

// stripPNG drops chunks of metadata.
func stripPNG(data []byte) (stripped []byte, ok bool) {
	rest, ok := bytes.CutPrefix(data, pngSignature)
	if !ok {
		return nil, false
	}
	stripped = append(make([]byte, 0, len(data)), pngSignature...)
	const around = 12 // length, name and checksum of a chunk
	for len(rest) >= around {
		length := int64(binary.BigEndian.Uint32(rest)) + around
		if length > int64(len(rest)) {
			return nil, false
		}
		chunk, name := rest[:length], string(rest[4:8])
		rest = rest[length:]
		if !slices.Contains(pngMetadata, name) {
			stripped = append(stripped, chunk...)
		}
		if name == "IEND" {
			return stripped, true
		}
	}
	return nil, false
}

// The flags of a chunk VP8X (WebP container specification).
const (
	webpXMP  = 0x04
	webpEXIF = 0x08
)

// stripWebP drops the chunks EXIF and XMP.
func stripWebP(data []byte) (stripped []byte, ok bool) {
	const head, chunkHead = 12, 8
	if len(data) < head || string(data[:4]) != "RIFF" || string(data[8:12]) != "WEBP" {
		return nil, false
	}
	size := int64(binary.LittleEndian.Uint32(data[4:])) + chunkHead
	if size < head || size > int64(len(data)) {
		return nil, false
	}
	stripped = append(make([]byte, 0, size), data[:head]...)
	for rest := data[head:size]; len(rest) > 0; {
		if len(rest) < chunkHead {
			return nil, false
		}
		length := int64(binary.LittleEndian.Uint32(rest[4:])) + chunkHead
		length = min(length+length%2, int64(len(rest)))
		chunk := rest[:length]
		rest = rest[length:]
		switch string(chunk[:4]) {
		case "EXIF", "XMP ":
			continue
		case "VP8X":
			chunk = slices.Clone(chunk)
			if len(chunk) > chunkHead {
				chunk[chunkHead] &^= webpXMP | webpEXIF
			}
		}
		stripped = append(stripped, chunk...)
	}
	binary.LittleEndian.PutUint32(stripped[4:], uint32(len(stripped)-chunkHead)) //nolint:gosec // no longer than it was
	return stripped, true
}
