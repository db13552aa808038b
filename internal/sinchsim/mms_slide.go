package sinchsim

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// mmsMedia is a media object of a slide.
type mmsMedia struct {
	URL string `json:"url"`
}

// mmsSlide is one slide. The keys of contacts, calendars and documents are not
// documented for JSON; both the nouns of the guide and the names of the XML
// service are taken.
type mmsSlide struct {
	Text     string    `json:"message-text"`
	Image    *mmsMedia `json:"image"`
	Audio    *mmsMedia `json:"audio"`
	Video    *mmsMedia `json:"video"`
	Contact  *mmsMedia `json:"contact"`
	VCard    *mmsMedia `json:"vcard"`
	Calendar *mmsMedia `json:"calendar"`
	ICal     *mmsMedia `json:"ical"`
	PDF      *mmsMedia `json:"pdf"`
	Duration *int      `json:"duration"`
}

// placed is media with the code of a failure to copy it.
type placed struct {
	media    *mmsMedia
	copyCode string
}

// objects are the media that stand alone in a slide.
func (s *mmsSlide) objects() []placed {
	return present(
		placed{s.Contact, "E355"}, placed{s.VCard, "E355"},
		placed{s.Calendar, "E356"}, placed{s.ICal, "E356"},
		placed{s.PDF, "E357"},
	)
}

// media are all media of the slide.
func (s *mmsSlide) media() []placed {
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

// countMedia is how many media a message has.
func countMedia(slides []mmsSlide) int {
	n := 0
	for i := range slides {
		n += len(slides[i].media())
	}
	return n
}

func (s *mmsSlide) check() *mmsError {
	media, objects := s.media(), s.objects()
	switch {
	case s.Text == "" && len(media) == 0:
		return mmsFailure("E313")
	case utf8.RuneCountInString(s.Text) > maxSlideText:
		return mmsFailure("E334")
	case s.Audio != nil && s.Video != nil:
		return mmsFailure("E226")
	case s.Image != nil && s.Video != nil:
		return mmsFailure("E227")
	case len(objects) > 1:
		return mmsFailure("E223")
	case len(objects) == 1 && len(media) > 1:
		return mmsFailure("E224")
	case s.Duration != nil && *s.Duration < 1:
		return mmsFailure("E230")
	}
	for _, p := range media {
		if !isMediaURL(p.media.URL) {
			return mmsFailure(p.copyCode)
		}
	}
	return nil
}

func isMediaURL(text string) bool {
	if strings.ContainsAny(text, " \t\r\n\\") {
		return false
	}
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}
