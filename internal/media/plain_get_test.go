package media

import (
	"net/http"
	"strconv"
	"testing"
)

// by has a handler for each kind of request: HEAD, a GET with a range, and a plain GET
// as Sinch makes it.
func by(head, ranged, plain http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodHead:
			head(w, r)
		case r.Header.Get("Range") != "":
			ranged(w, r)
		default:
			plain(w, r)
		}
	}
}

// hangUp closes the connection without an answer.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// chunked sends a body without its length.
func chunked(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		raw(w, "HTTP/1.1 200 OK\r\nContent-Type: "+contentType+"\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"+
			strconv.FormatInt(int64(len(body)), 16)+"\r\n"+body+"\r\n0\r\n\r\n")
	}
}

// TestPlainGETDecides: for refusal and for approval, independent of the responses to
// HEAD and to ranges.
func TestPlainGETDecides(t *testing.T) {
	t.Parallel()
	card, picture := []byte(cardBytes), file(jpegBytes, 50_000)
	fineCard, finePicture := serveFile("text/vcard", card), serveFile("image/jpeg", picture)
	status := func(code int) http.HandlerFunc { return answer(code, nil, "") }
	tests := map[string]struct {
		host http.HandlerFunc
		want Code
		size int64
	}{
		"416 to a range past the end":          {by(fineCard, status(http.StatusRequestedRangeNotSatisfiable), fineCard), "", int64(len(cardBytes))},
		"closed at HEAD":                       {by(hangUp, finePicture, finePicture), "", 50_000},
		"closed at a range":                    {by(finePicture, hangUp, finePicture), "", 50_000},
		"403 to HEAD, as a URL signed for GET": {by(status(http.StatusForbidden), finePicture, finePicture), "", 50_000},
		"405 to HEAD":                          {by(status(http.StatusMethodNotAllowed), finePicture, finePicture), "", 50_000},
		"404 to HEAD":                          {by(http.NotFound, finePicture, finePicture), "", 50_000},
		"500 to a range":                       {by(finePicture, status(http.StatusInternalServerError), finePicture), "", 50_000},
		"ranges are ignored":                   {by(finePicture, finePicture, answer(http.StatusOK, map[string]string{"Content-Type": "image/jpeg"}, jpegBytes)), "", 20},
		"HEAD is chunked":                      {by(chunked("image/jpeg", ""), finePicture, finePicture), "", 50_000},
		"HEAD is too large":                    {by(answer(http.StatusOK, map[string]string{"Content-Length": "99999999"}, ""), finePicture, finePicture), "", 50_000},
		"HEAD has another type":                {by(serveFile("text/html", []byte(htmlBytes)), finePicture, finePicture), "", 50_000},

		"plain GET is chunked":    {by(answer(http.StatusOK, nil, ""), finePicture, chunked("image/jpeg", jpegBytes)), CodeNoLength, 0},
		"only plain GET has none": {by(finePicture, finePicture, chunked("image/jpeg", jpegBytes)), CodeNoLength, 0},
		"plain GET is a part": {by(finePicture, finePicture, answer(http.StatusPartialContent, map[string]string{
			"Content-Type": "image/jpeg", "Content-Range": "bytes 0-19/20",
		}, jpegBytes)), CodeRefused, 0},
		"plain GET is refused":        {by(finePicture, finePicture, status(http.StatusForbidden)), CodeRefused, 0},
		"plain GET finds nothing":     {by(finePicture, finePicture, http.NotFound), CodeNotFound, 0},
		"plain GET is a page":         {by(finePicture, finePicture, serveFile("text/html", []byte(htmlBytes))), CodeType, 0},
		"plain GET is another file":   {by(finePicture, finePicture, serveFile("image/jpeg", file(pngBytes, 500))), CodeMismatch, 0},
		"plain GET is too large":      {by(finePicture, finePicture, serveFile("image/jpeg", file(jpegBytes, 1<<20+1))), CodeTooLarge, 0},
		"plain GET is empty":          {by(finePicture, finePicture, serveFile("image/jpeg", nil)), CodeEmpty, 0},
		"plain GET gets no answer":    {by(finePicture, finePicture, hangUp), CodeUnreachable, 0},
		"plain GET finds host broken": {by(finePicture, finePicture, status(http.StatusBadGateway)), CodeHostError, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			info, code := fetcher(t, Options{}).mustCheck(t, serve(t, tt.host).URL+"/a?"+private)
			if code != tt.want || info.Size != tt.size {
				t.Errorf("got %+v %q, want %d bytes, %q", info, code, tt.size, tt.want)
			}
		})
	}
}

// TestPlainTextIsNoMedia: no slide of an MMS carries it.
func TestPlainTextIsNoMedia(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{"text/plain", "text/plain; charset=utf-8", "text/csv", "application/json", "application/zip"} {
		server := serve(t, serveFile(contentType, []byte("404: Not Found")))
		if _, code := fetcher(t, Options{}).mustCheck(t, server.URL); code != CodeType {
			t.Errorf("%s: %q", contentType, code)
		}
	}
}

// TestCardWithByteOrderMark: many address books write one.
func TestCardWithByteOrderMark(t *testing.T) {
	t.Parallel()
	for contentType, content := range map[string]string{
		"text/vcard": byteOrderMark + cardBytes, "text/calendar": byteOrderMark + "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n",
	} {
		server := serve(t, serveFile(contentType, []byte(content)))
		info, code := fetcher(t, Options{}).mustCheck(t, server.URL)
		if code != "" || info.Type != contentType || info.Size != int64(len(content)) {
			t.Errorf("%s: %+v %q", contentType, info, code)
		}
	}
}
