package media

import (
	"strings"
	"testing"
)

// The beginnings of further files.
const (
	mp4Bytes  = "\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"
	m4aBytes  = "\x00\x00\x00\x20ftypM4A \x00\x00\x02\x00M4A mp42isom\x00\x00\x00\x00"
	gp3Bytes  = "\x00\x00\x00\x1cftyp3gp5\x00\x00\x01\x003gp53gp4isom"
	cardBytes = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:A\r\nEND:VCARD\r\n"
)

func TestFormats(t *testing.T) {
	t.Parallel()
	tests := []struct{ contentType, first, want string }{
		{"image/jpeg", jpegBytes, "image/jpeg"},
		{"image/pjpeg", jpegBytes, "image/jpeg"},
		{"image/png", pngBytes, "image/png"},
		{"image/gif", "GIF89a\x01\x00\x01\x00", "image/gif"},
		{"image/webp", "RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp"},
		{"audio/mp3", "ID3\x03\x00\x00\x00\x00\x00\x21TIT2", "audio/mpeg"},
		{"audio/mpeg", "ID3", "audio/mpeg"},
		{"audio/mpeg", "\xff\xfb\x90\x44\x00\x00\x00\x00", "audio/mpeg"},
		{"audio/x-wav", "RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav"},
		{"audio/mp4", m4aBytes, "audio/mp4"},
		{"audio/amr", "#!AMR\n\x3c\x91", "audio/amr"},
		{"audio/aac", "\xff\xf1\x50\x80", "audio/aac"},
		{"audio/3gpp", gp3Bytes, "audio/3gpp"},
		{"video/mp4", mp4Bytes, "video/mp4"},
		{"video/3gpp", gp3Bytes, "video/3gpp"},
		{"video/3gpp; codecs=\"h263, samr\"", mp4Bytes, "video/3gpp"},
		{"video/quicktime", "\x00\x00\x00\x14ftypqt  \x00\x00\x02\x00qt  ", "video/quicktime"},
		{"video/mpeg", "\x00\x00\x01\xba\x44\x00", "video/mpeg"},
		{"video/avi", "RIFF\x24\x00\x00\x00AVI LIST\x14\x01\x00\x00", "video/x-msvideo"},
		{"video/x-ms-wmv", "\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c", "video/x-ms-wmv"},
		{"text/x-vcard; charset=utf-8", cardBytes, "text/vcard"},
		{"text/calendar", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", "text/calendar"},
		{"application/pdf", "%PDF-1.7\n", "application/pdf"},
		{"text/vcard", byteOrderMark + cardBytes, "text/vcard"},
		{"text/x-vcard", byteOrderMark + "begin:vcard\nVERSION:4.0\n", "text/vcard"},
		{"text/calendar; method=REQUEST", byteOrderMark + "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", "text/calendar"},

		{"image/jpeg", pngBytes, ""},
		{"image/png", htmlBytes, ""},
		{"image/gif", "", ""},
		{"video/mp4", jpegBytes, ""},
		{"video/mp4", "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", ""},
		{"audio/mpeg", "RIFF\x24\x00\x00\x00WAVEfmt ", ""},
		{"text/vcard", "Hello", ""},
		{"text/calendar", cardBytes, ""},
		{"application/pdf", htmlBytes, ""},
		{"text/vcard", byteOrderMark + "Hello", ""},
		{"text/vcard", byteOrderMark + byteOrderMark + cardBytes, ""},
		{"image/jpeg", byteOrderMark + jpegBytes, ""},

		{"application/octet-stream", jpegBytes, "unknown"},
		{"binary/octet-stream", jpegBytes, "unknown"},
		{"text/html", htmlBytes, "unknown"},
		{"image/svg+xml", "<svg/>", "unknown"},
		{"text/plain", "404: Not Found", "unknown"},
		{"text/plain; charset=utf-8", cardBytes, "unknown"},
		{"text/plain", jpegBytes, "unknown"},
		{"text/csv", "to,text\n", "unknown"},
		{"application/json", `{"a":1}`, "unknown"},
		{"application/zip", "PK\x03\x04", "unknown"},
		{"image", jpegBytes, "unknown"},
		{"", jpegBytes, "unknown"},
	}
	for _, tt := range tests {
		claimed, known := formatOf(tt.contentType)
		got := "unknown"
		if known {
			got = ""
			if claimed.begins([]byte(tt.first)) {
				got = claimed.name()
			}
		}
		if got != tt.want {
			t.Errorf("%q that begins with %q: %q, want %q", tt.contentType, tt.first, got, tt.want)
		}
	}
}

// TestFormatsAreNamedOnce: a content type has one meaning.
func TestFormatsAreNamedOnce(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range formats {
		for _, name := range f.names {
			if seen[name] || name != strings.ToLower(name) {
				t.Errorf("%s", name)
			}
			seen[name] = true
		}
	}
}

// FuzzFormat checks arbitrary headers and beginnings.
func FuzzFormat(f *testing.F) {
	f.Add("image/jpeg", []byte(jpegBytes))
	f.Add("video/mp4; codecs=avc1", []byte(mp4Bytes))
	f.Add("text/plain;charset*=utf-8''x", []byte(cardBytes))
	f.Add(";", []byte{})
	f.Fuzz(func(t *testing.T, contentType string, first []byte) {
		claimed, known := formatOf(contentType)
		if known && claimed.begins(first) && len(first) == 0 {
			t.Errorf("nothing begins as %s", claimed.name())
		}
	})
}

// TestRefusalNamesTheFormat: of pictures that callers often have.
func TestRefusalNamesTheFormat(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]Code{
		"image/heic": CodeHEIC, "image/heif; x=y": CodeHEIC, "image/heic-sequence": CodeHEIC, "image/avif": CodeAVIF,
		"image/svg+xml": CodeType, "text/html": CodeType, "": CodeType, "image": CodeType,
	} {
		if got := codeOfType(contentType); got != want {
			t.Errorf("%s: %s, want %s", contentType, got, want)
		}
	}
}
