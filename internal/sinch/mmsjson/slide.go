package mmsjson

import (
	"net/url"
	"path"
	"strings"

	"mmsdispatch/internal/sinch"
)

// slide is one page of a message: one media URL, and on the first slide the text.
// The names for cards, calendar entries and PDFs are the nouns of the
// documentation; no example of Sinch's shows them.
type slide struct {
	Text     string `json:"message-text,omitempty"`
	Image    *file  `json:"image,omitempty"`
	Audio    *file  `json:"audio,omitempty"`
	Video    *file  `json:"video,omitempty"`
	Contact  *file  `json:"contact,omitempty"`
	Calendar *file  `json:"calendar,omitempty"`
	PDF      *file  `json:"pdf,omitempty"`
}

type file struct {
	URL string `json:"url"`
}

// kind is the kind of media that a slide declares.
type kind int

const (
	kindNone kind = iota
	kindImage
	kindAudio
	kindVideo
	kindContact
	kindCalendar
	kindPDF
)

// slides makes one slide for each media URL; the first has the text. A text alone is
// a slide.
func slides(text string, media []sinch.Media) []slide {
	if len(media) == 0 {
		return []slide{{Text: text}}
	}
	all := make([]slide, 0, len(media))
	for i, m := range media {
		s := slideFor(m)
		if i == 0 {
			s.Text = text
		}
		all = append(all, s)
	}
	return all
}

// slideFor makes the slide of one media URL. Its kind comes from the checked type,
// else from the extension, else it is an image.
func slideFor(m sinch.Media) slide {
	k := kindOfType(m.ContentType)
	if k == kindNone {
		k = kindOfName(m.URL)
	}
	f := &file{URL: m.URL}
	switch k {
	case kindAudio:
		return slide{Audio: f}
	case kindVideo:
		return slide{Video: f}
	case kindContact:
		return slide{Contact: f}
	case kindCalendar:
		return slide{Calendar: f}
	case kindPDF:
		return slide{PDF: f}
	case kindNone, kindImage:
	}
	return slide{Image: f}
}

// kindOfType returns the kind of a content type, or nothing for one without a kind
// such as application/octet-stream.
func kindOfType(contentType string) kind {
	name, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	name = strings.TrimSpace(name)
	switch name {
	case "text/vcard", "text/x-vcard", "text/directory":
		return kindContact
	case "text/calendar":
		return kindCalendar
	case "application/pdf":
		return kindPDF
	}
	switch family, _, _ := strings.Cut(name, "/"); family {
	case "image":
		return kindImage
	case "audio":
		return kindAudio
	case "video":
		return kindVideo
	}
	return kindNone
}

// kindOfName returns the kind by the extension of the path.
func kindOfName(address string) kind {
	u, err := url.Parse(address)
	if err != nil {
		return kindNone
	}
	switch strings.ToLower(path.Ext(u.Path)) {
	case ".mp3", ".wav", ".m4a", ".aac", ".amr", ".ogg":
		return kindAudio
	case ".mp4", ".3gp", ".mpeg", ".mpg", ".avi", ".wmv", ".mov":
		return kindVideo
	case ".vcf":
		return kindContact
	case ".ics":
		return kindCalendar
	case ".pdf":
		return kindPDF
	}
	return kindNone
}
