package mediafit

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"testing"
)

// entry is a field of a TIFF's directory.
type entry struct {
	tag, kind uint16
	count     uint32
	value     uint32
}

// tiffOf is a grey TIFF of one strip, with more fields.
func tiffOf(width, height uint32, strip []byte, more ...entry) []byte {
	const head, deflate, grey = 8, 8, 1
	entries := append([]entry{
		{256, typeShort, 1, width},
		{257, typeShort, 1, height},
		{258, typeShort, 1, 8},
		{259, typeShort, 1, deflate},
		{262, typeShort, 1, grey},
		{273, 4, 1, head},
		{277, typeShort, 1, 1},
		{279, 4, 1, uint32(len(strip))},
	}, more...)
	file := append([]byte("II\x2a\x00"), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(file[4:], head+uint32(len(strip)))
	file = append(file, strip...)
	file = binary.LittleEndian.AppendUint16(file, uint16(len(entries)))
	for _, e := range entries {
		file = binary.LittleEndian.AppendUint16(file, e.tag)
		file = binary.LittleEndian.AppendUint16(file, e.kind)
		file = binary.LittleEndian.AppendUint32(file, e.count)
		file = binary.LittleEndian.AppendUint32(file, e.value)
	}
	return append(file, 0, 0, 0, 0)
}

// deflated is at least n zero bytes, compressed a thousandfold. Its end is missing, and with it
// the sum, which a bomb does not need.
func deflated(tb testing.TB, n int64) []byte {
	tb.Helper()
	const piece = 4 << 20
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	var ends []int
	for range 2 { // the second one refers to bytes before it, as all that follow
		if _, err := w.Write(make([]byte, piece)); err != nil {
			tb.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			tb.Fatal(err)
		}
		ends = append(ends, out.Len())
	}
	return append(out.Bytes(), bytes.Repeat(out.Bytes()[ends[0]:ends[1]], int(n/piece))...)
}

// frameOf is a JPEG that ends where its picture would begin.
func frameOf(marker byte, width, height uint16, channels byte, before ...byte) []byte {
	file := append([]byte{0xff, markerSOI}, before...)
	file = append(file, 0xff, marker, 0, 8+3*channels, 8)
	file = binary.BigEndian.AppendUint16(file, height)
	file = binary.BigEndian.AppendUint16(file, width)
	file = append(file, channels)
	for id := range channels {
		file = append(file, id+1, 0x11, 0)
	}
	return append(file, 0xff, markerSOS, 0, 8, 1, 1, 0, 0, 63, 0)
}

// TestMemoryIsKnownBeforeDecoding: what takes more memory than all pictures may have
// together is refused by its header.
func TestMemoryIsKnownBeforeDecoding(t *testing.T) {
	t.Parallel()
	const most = poolBytes
	big := File{Width: 7000, Height: 7000}
	pixels := int64(big.Width) * int64(big.Height)
	of := func(contentType string) File { return File{Type: contentType, Width: big.Width, Height: big.Height} }
	tests := map[string]struct {
		file File
		data []byte
		want int64 // 0: refused
	}{
		"PNG":                        {of(typePNG), nil, pixels * pixelBytes},
		"JPEG":                       {of(typeJPEG), frameOf(0xc2, 7000, 7000, 3), pixels * pixelBytes},
		"baseline CMYK":              {of(typeJPEG), frameOf(0xc0, 7000, 7000, 4), pixels * pixelBytes},
		"progressive CMYK":           {of(typeJPEG), frameOf(0xc2, 7000, 7000, 4), 0},
		"progressive, after garbage": {of(typeJPEG), frameOf(0xc2, 7000, 7000, 4, 1, 2, 3), 0},
		"smaller progressive CMYK":   {File{Type: typeJPEG, Width: 5000, Height: 5000}, frameOf(0xc2, 5000, 5000, 4), 25_000_000 * pixelBytesCMYK},
		"TIFF of one strip":          {of(typeTIFF), tiffOf(7000, 7000, nil), 0},
		"of strips":                  {of(typeTIFF), tiffOf(7000, 7000, nil, entry{tagRowsPerStrip, typeShort, 1, 64}), pixels * pixelBytes},
		"of strips, in two numbers":  {of(typeTIFF), tiffOf(7000, 7000, nil, entry{tagRowsPerStrip, typeShort, 2, 64}), 0},
		"of large strips":            {of(typeTIFF), tiffOf(7000, 7000, nil, entry{tagRowsPerStrip, typeShort, 1, 3000}), 0},
		"of tiles":                   {of(typeTIFF), tiffOf(7000, 7000, nil, entry{tagTileWidth, typeShort, 1, 256}, entry{tagTileLength, typeShort, 1, 256}), pixels * pixelBytes},
		"of huge tiles":              {of(typeTIFF), tiffOf(7000, 7000, nil, entry{tagTileWidth, 4, 1, 1<<32 - 1}, entry{tagTileLength, 4, 1, 1<<32 - 1}), 0},
		"of no directory":            {of(typeTIFF), []byte("II\x2a\x00\xff\xff\xff\xff"), 0},
	}
	for name, tt := range tests {
		got, err := memoryOf(tt.file, tt.data)
		if got != tt.want || got > most || (err != nil) != (tt.want == 0) || err != nil && !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %d, %v, want %d", name, got, err, tt.want)
		}
	}
	file := tiffOf(7000, 7000, deflated(t, 1<<20))
	if _, err := New().Fit(t.Context(), typeTIFF, file, 1<<20); !errors.Is(err, ErrTooLarge) || !IsRefusal(err) {
		t.Errorf("a TIFF of one strip: %v", err)
	}
}
