package mms

import (
	"unicode/utf8"

	"mmsdispatch/internal/sinchsim"
)

// media is a media object of a slide.
type media struct {
	URL string `json:"url"`
}

// slide is one slide. The keys of contacts, calendars and documents are not
// documented for JSON; both the nouns of the guide and the names of the XML
// service are accepted.
type slide struct {
	Text     string `json:"message-text"`
	Image    *media `json:"image"`
	Audio    *media `json:"audio"`
	Video    *media `json:"video"`
	Contact  *media `json:"contact"`
	VCard    *media `json:"vcard"`
	Calendar *media `json:"calendar"`
	ICal     *media `json:"ical"`
	PDF      *media `json:"pdf"`
	Duration *int   `json:"duration"`
}

// placed is media with the code of a failure to copy it.
type placed struct {
	media    *media
	copyCode string
}

// objects are the media that must be alone in a slide.
func (s *slide) objects() []placed {
	return present(
		placed{s.Contact, "E355"}, placed{s.VCard, "E355"},
		placed{s.Calendar, "E356"}, placed{s.ICal, "E356"},
		placed{s.PDF, "E357"},
	)
}

// media are all media of the slide.
func (s *slide) media() []placed {
	own := present(placed{s.Image, "E351"}, placed{s.Audio, "E352"}, placed{s.Video, "E353"})
	return append(own, s.objects()...)
}

func present(all ...placed) []placed {
	var some []placed
	for _, p := range all {
		if p.media != nil {
			some = append(some, p)
		}
	}
	return some
}

// countMedia is the number of media of a message.
func countMedia(slides []slide) int {
	n := 0
	for i := range slides {
		n += len(slides[i].media())
	}
	return n
}

func (s *slide) check() *refusal {
	media, objects := s.media(), s.objects()
	switch {
	case s.Text == "" && len(media) == 0:
		return failure("E313")
	case utf8.RuneCountInString(s.Text) > maxSlideText:
		return failure("E334")
	case s.Audio != nil && s.Video != nil:
		return failure("E226")
	case s.Image != nil && s.Video != nil:
		return failure("E227")
	case len(objects) > 1:
		return failure("E223")
	case len(objects) == 1 && len(media) > 1:
		return failure("E224")
	case s.Duration != nil && *s.Duration < 1:
		return failure("E230")
	}
	for _, p := range media {
		if !sinchsim.IsMediaURL(p.media.URL) {
			return failure(p.copyCode)
		}
	}
	return nil
}
