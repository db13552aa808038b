package media

import (
	"bytes"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

// format is a kind of file that a slide of an MMS can carry.
type format struct {
	names []string // of the content type; the first is the one passed on
	magic []string // of its first bytes, in mimetype's names
}

// formats are the files that Sinch documents for its MMS APIs and that a slide of
// an MMS can carry: pictures, sounds, films, cards, calendar entries and PDF.
// Plain text has no slide (its place is the text of the message), and a content
// type that names no format, such as application/octet-stream, has none either.
var formats = []format{
	{[]string{"image/jpeg", "image/jpg", "image/pjpeg"}, []string{"image/jpeg"}},
	{[]string{"image/png", "image/x-png"}, []string{"image/png", "image/vnd.mozilla.apng"}},
	{[]string{"image/gif"}, []string{"image/gif"}},
	{[]string{"image/webp"}, []string{"image/webp"}},

	{[]string{"audio/mpeg", "audio/mp3", "audio/x-mp3", "audio/x-mpeg"}, []string{"audio/mpeg"}},
	{[]string{"audio/wav", "audio/wave", "audio/x-wav", "audio/vnd.wave"}, []string{"audio/wav"}},
	{[]string{"audio/mp4", "audio/m4a", "audio/x-m4a"}, []string{"audio/mp4", "audio/x-m4a", mp4}},
	{[]string{"audio/aac", "audio/x-aac", "audio/aacp"}, []string{"audio/aac"}},
	{[]string{"audio/amr", "audio/amr-nb"}, []string{"audio/amr"}},
	{[]string{"audio/3gpp", "audio/3gpp2"}, []string{gpp, gpp2}},
	{[]string{"audio/ogg"}, []string{"audio/ogg", "application/ogg"}},

	// One container with brands that programs use inconsistently.
	{[]string{mp4, "video/x-m4v"}, []string{mp4, "video/x-m4v", gpp, gpp2}},
	{[]string{gpp, "video/3gp", gpp2}, []string{gpp, gpp2, mp4}},
	{[]string{"video/quicktime"}, []string{"video/quicktime"}},
	{[]string{"video/mpeg", "video/mpg", "video/x-mpeg"}, []string{"video/mpeg"}},
	{[]string{"video/x-msvideo", "video/avi", "video/msvideo"}, []string{"video/x-msvideo"}},
	{[]string{"video/x-ms-wmv", "video/x-ms-asf"}, []string{"video/x-ms-asf"}},

	{[]string{"text/vcard", "text/x-vcard", "text/directory"}, []string{"text/vcard"}},
	{[]string{"text/calendar"}, []string{"text/calendar"}},
	{[]string{"application/pdf"}, []string{"application/pdf"}},
}

// Equivalent names.
const (
	mp4  = "video/mp4"
	gpp  = "video/3gpp"
	gpp2 = "video/3gpp2"
)

// formatOf returns the format of a Content-Type header.
func formatOf(contentType string) (format, bool) {
	name, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return format{}, false
	}
	i := slices.IndexFunc(formats, func(f format) bool { return slices.Contains(f.names, name) })
	if i < 0 {
		return format{}, false
	}
	return formats[i], true
}

// Sendable returns the problem of a file as part of an MMS: an *Error, or nil.
func Sendable(file Info, maxBytes int64) error {
	if _, ok := formatOf(file.Type); !ok {
		return &Error{Code: CodeType}
	}
	if file.Size > maxBytes {
		return &Error{Code: CodeTooLarge}
	}
	return nil
}

// codeOfType is the reason why a file of a type that no MMS carries cannot be sent.
func codeOfType(contentType string) Code {
	name, _, _ := mime.ParseMediaType(contentType) // "" is of no format either
	switch {
	case slices.Contains(heic.names, name) || slices.Contains(heic.magic, name):
		return CodeHEIC
	case slices.Contains(avif.names, name):
		return CodeAVIF
	default:
		return CodeType
	}
}

// name is the content type that is passed on.
func (f format) name() string { return f.names[0] }

// Formats of which the refusal names the format.
var (
	heic = format{[]string{"image/heic", "image/heif"}, []string{"image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"}}
	avif = format{[]string{"image/avif"}, []string{"image/avif"}}
)

// pictures are further formats that callers have.
var pictures = []format{
	heic,
	avif,
	{[]string{"image/bmp", "image/x-ms-bmp"}, []string{"image/bmp"}},
	{[]string{"image/tiff"}, []string{"image/tiff"}},
}

// Sniff returns the content type that the first bytes of a file show: the claimed
// one if they agree with it, since one container may have sound or film. ok is
// false for a file that an MMS cannot carry, converted or not.
func Sniff(claimed string, first []byte) (contentType string, ok bool) {
	if f, known := formatOf(claimed); known && f.begins(first) {
		return f.name(), true
	}
	found := mimetype.Detect(bytes.TrimPrefix(first, []byte(byteOrderMark)))
	for _, f := range slices.Concat(formats, pictures) {
		if slices.ContainsFunc(f.names, found.Is) {
			return f.name(), true
		}
	}
	for _, f := range slices.Concat(formats, pictures) {
		if f.begins(first) {
			return f.name(), true
		}
	}
	return "", false
}

// byteOrderMark is written before UTF-8 by many programs.
const byteOrderMark = "\ufeff"

// begins reports whether a file of this format can begin with these bytes. The
// browsers' algorithm in net/http is lenient but has few formats; mimetype has the
// others, and cards and calendar entries only without a byte order mark.
func (f format) begins(first []byte) bool {
	if strings.HasPrefix(f.name(), "text/") {
		first = bytes.TrimPrefix(first, []byte(byteOrderMark))
	}
	sniffed, _, _ := strings.Cut(http.DetectContentType(first), ";")
	return slices.Contains(f.names, sniffed) || slices.ContainsFunc(f.magic, mimetype.Detect(first).Is)
}
