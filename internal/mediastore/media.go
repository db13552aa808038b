package mediastore

import (
	"strconv"
	"time"
)

// Media is a file in the store.
type Media struct {
	ID            string // med_…
	SHA256        string // of the bytes, in hexadecimal
	Type          string // content type
	Bytes         int64
	Width, Height int // 0: not a picture
	ExpiresAt     time.Time

	scope, content, link, send string
}

// Deleted reports whether the caller has deleted the media.
func (m Media) Deleted() bool { return m.link == "" }

// fields are the record of a media without its end.
func (m Media) fields() []any {
	return []any{
		"scope", m.scope, "content", m.content, "sha", m.SHA256, "type", m.Type, "bytes", m.Bytes,
		"width", m.Width, "height", m.Height, "link", m.link, "send", m.send,
	}
}

// readMedia is the reverse of fields. A number that is none counts as zero.
func readMedia(id string, fields map[string]string) Media {
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(fields[name], 10, 64)
		return n
	}
	return Media{
		ID: id, SHA256: fields["sha"], Type: fields["type"], Bytes: number("bytes"),
		Width: int(number("width")), Height: int(number("height")), ExpiresAt: time.UnixMilli(number("expires")).UTC(),
		scope: fields["scope"], content: fields["content"], link: fields["link"], send: fields["send"],
	}
}

// extensions are those of the links, by content type: clients that ignore the
// content type go by them.
var extensions = map[string]string{
	"image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp", "image/heic": ".heic", "image/avif": ".avif",
	"image/bmp": ".bmp", "image/tiff": ".tif",
	"audio/mpeg": ".mp3", "audio/wav": ".wav", "audio/mp4": ".m4a", "audio/aac": ".aac",
	"audio/amr": ".amr", "audio/3gpp": ".3ga", "audio/ogg": ".ogg",
	"video/mp4": ".mp4", "video/3gpp": ".3gp", "video/quicktime": ".mov", "video/mpeg": ".mpg",
	"video/x-msvideo": ".avi", "video/x-ms-wmv": ".wmv",
	"text/vcard": ".vcf", "text/calendar": ".ics", "application/pdf": ".pdf",
}

func (m Media) extension() string {
	if extension, ok := extensions[m.Type]; ok {
		return extension
	}
	return ".bin"
}
