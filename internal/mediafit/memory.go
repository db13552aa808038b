package mediafit

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image/color"
	"image/jpeg"
)

const (
	// pixelBytes is what a pixel takes at most while a picture is decoded and shrunk: 12
	// for the coefficients of a progressive JPEG whose colours have the full resolution,
	// and 3 for its samples.
	pixelBytes = 15
	// pixelBytesCMYK is the same of a progressive JPEG with four channels: 16 for the
	// coefficients, 4 for the samples, and 4 for the picture that is made of them.
	pixelBytesCMYK = 24
	// poolBytes bounds the pictures that are worked on at once: the largest one
	// alone, or many small ones.
	poolBytes = maxPixels * pixelBytes

	// A TIFF is decoded strip by strip or tile by tile. The decoder takes up to 8 bytes for
	// a pixel of the picture and of a strip, whatever the file says of its colours, and the
	// buffer of a strip is there three times while it grows.
	tiffPixelBytes = 8
	tiffStripBytes = 3 * tiffPixelBytes
)

// memoryOf is what a picture takes at most while it is decoded and shrunk. The error is
// ErrTooLarge: that is more than there is for all pictures.
func memoryOf(file File, data []byte) (int64, error) {
	pixels := int64(file.Width) * int64(file.Height)
	memory := pixels * pixelBytes
	switch {
	case file.Type == typeTIFF:
		memory = max(memory, pixels*tiffPixelBytes+stripPixels(file, data)*tiffStripBytes)
	case file.Type == typeJPEG && isCMYK(data) && !isBaseline(data):
		memory = pixels * pixelBytesCMYK
	}
	if memory > poolBytes {
		return 0, fmt.Errorf("%w: it takes too much memory to decode", ErrTooLarge)
	}
	return memory, nil
}

// isCMYK reports whether a JPEG has four channels.
func isCMYK(data []byte) bool {
	config, err := jpeg.DecodeConfig(bytes.NewReader(data))
	return err == nil && config.ColorModel == color.CMYKModel
}

// isBaseline reports whether a JPEG is certainly not progressive. The decoder skips bytes
// between segments that this does not.
func isBaseline(data []byte) bool {
	const markerSOF0, markerSOF1, markerSOF2 = 0xc0, 0xc1, 0xc2
	for rest := data[min(2, len(data)):]; ; {
		marker, _, after, ok := nextSegment(rest)
		if !ok || marker == markerSOF2 || marker == markerSOS || marker == markerEOI {
			return false
		}
		if marker == markerSOF0 || marker == markerSOF1 {
			return true
		}
		rest = after
	}
}

// The tags of a TIFF that say how it is divided (TIFF 6.0).
const (
	tagRowsPerStrip = 278
	tagTileWidth    = 322
	tagTileLength   = 323
)

// stripPixels is the size of the strips or tiles of a TIFF, or more than it where the file
// says it in an unusual way.
func stripPixels(file File, data []byte) int64 {
	const (
		tileMost = 2 << 20 // of a picture that is smaller than its tile
		sideMost = 1 << 30 // so that the product is a number
	)
	whole := int64(file.Width) * int64(file.Height)
	tags, ok := tiffTags(data)
	width, length, rows := tags[tagTileWidth], tags[tagTileLength], tags[tagRowsPerStrip]
	switch {
	case !ok || width == unusual || length == unusual || rows == unusual:
		return max(whole, tileMost)
	case width > 0:
		return max(1, min(min(width, sideMost)*min(length, sideMost), max(whole, tileMost))) // the decoder refuses larger tiles
	case rows > 0 && rows < int64(file.Height):
		return rows * int64(file.Width)
	default:
		return whole
	}
}

// unusual is a value of a tag that is not a single number.
const unusual = -1

// tiffTags are the numbers of the first directory of a TIFF, by tag.
func tiffTags(data []byte) (tags map[uint16]int64, ok bool) {
	const head, typeByte, typeLong = 8, 1, 4
	if len(data) < head {
		return nil, false
	}
	var order binary.ByteOrder = binary.LittleEndian
	if bytes.HasPrefix(data, []byte("MM")) {
		order = binary.BigEndian
	}
	at := int64(order.Uint32(data[4:]))
	if at+2 > int64(len(data)) {
		return nil, false
	}
	tags = map[uint16]int64{}
	entries := data[at+2:]
	for range order.Uint16(data[at:]) {
		if len(entries) < entrySize {
			return nil, false
		}
		tag, kind, count, value := order.Uint16(entries), order.Uint16(entries[2:]), order.Uint32(entries[4:]), entries[8:entrySize]
		switch {
		case count != 1:
			tags[tag] = unusual
		case kind == typeByte:
			tags[tag] = int64(value[0])
		case kind == typeShort:
			tags[tag] = int64(order.Uint16(value))
		case kind == typeLong:
			tags[tag] = int64(order.Uint32(value))
		default:
			tags[tag] = unusual
		}
		entries = entries[entrySize:]
	}
	return tags, true
}
