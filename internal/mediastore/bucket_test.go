package mediastore

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// bucket stands in for an S3-compatible store: it checks the signature of every
// request (AWS Signature Version 4) and of every chunk of a body, and knows
// objects by path.
type bucket struct {
	name, keyID, secret string

	mu      sync.Mutex
	objects map[string][]byte
}

func newBucket(name, keyID, secret string) *bucket {
	return &bucket{name: name, keyID: keyID, secret: secret, objects: map[string][]byte{}}
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, code := b.verified(r)
	if code != "" {
		b.refuse(w, r, http.StatusForbidden, code)
		return
	}
	key, ours := strings.CutPrefix(r.URL.Path, "/"+b.name+"/")
	if !ours {
		b.refuse(w, r, http.StatusNotFound, "NoSuchBucket")
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch r.Method {
	case http.MethodPut:
		b.objects[key] = body
		w.Header().Set("ETag", `"`+strings.Repeat("0", 32)+`"`)
	case http.MethodGet, http.MethodHead:
		object, ok := b.objects[key]
		if !ok {
			b.refuse(w, r, http.StatusNotFound, "NoSuchKey")
			return
		}
		w.Header().Set("ETag", `"`+strings.Repeat("0", 32)+`"`)
		w.Header().Set("Last-Modified", "Sat, 28 Nov 2026 22:00:00 GMT")
		w.Header().Set("Content-Length", strconv.Itoa(len(object)))
		_, _ = w.Write(object)
	case http.MethodDelete:
		delete(b.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		b.refuse(w, r, http.StatusMethodNotAllowed, "MethodNotAllowed")
	}
}

func (b *bucket) refuse(w http.ResponseWriter, r *http.Request, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message><Resource>%s</Resource></Error>", code, r.URL.Path)
}

// verified checks the signature of a request and returns its body, or the code of
// the refusal.
func (b *bucket) verified(r *http.Request) (body []byte, code string) {
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=")
	parts := strings.Split(strings.ReplaceAll(rest, ", ", ","), ",")
	if !ok || len(parts) != 3 {
		return nil, "AccessDenied"
	}
	credential := strings.Split(parts[0], "/")
	signed, signature := strings.TrimPrefix(parts[1], "SignedHeaders="), strings.TrimPrefix(parts[2], "Signature=")
	if len(credential) != 5 || credential[0] != b.keyID {
		return nil, "InvalidAccessKeyId"
	}
	scope, date := strings.Join(credential[1:], "/"), r.Header.Get("X-Amz-Date")
	var headers strings.Builder
	for name := range strings.SplitSeq(signed, ";") {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		if name == "content-length" {
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		headers.WriteString(name + ":" + value + "\n")
	}
	payload := r.Header.Get("X-Amz-Content-Sha256")
	canonical := strings.Join([]string{r.Method, r.URL.EscapedPath(), r.URL.Query().Encode(), headers.String(), signed, payload}, "\n")
	key := b.signingKey(credential)
	if sign(key, "AWS4-HMAC-SHA256\n"+date+"\n"+scope+"\n"+hash([]byte(canonical))) != signature {
		return nil, "SignatureDoesNotMatch"
	}
	if payload != "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" {
		body, err := io.ReadAll(r.Body)
		if err != nil || payload != hash(body) {
			return nil, "XAmzContentSHA256Mismatch"
		}
		return body, ""
	}
	return chunks(r.Body, key, date+"\n"+scope, signature)
}

func (b *bucket) signingKey(credential []string) []byte {
	key := []byte("AWS4" + b.secret)
	for _, part := range credential[1:] {
		key = mac(key, part)
	}
	return key
}

// chunks reads a body that is signed chunk by chunk.
func chunks(from io.Reader, key []byte, when, before string) (body []byte, code string) {
	reader := bufio.NewReader(from)
	for {
		line, err := reader.ReadString('\n')
		size, signature, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ";chunk-signature=")
		n, failed := strconv.ParseUint(size, 16, 31)
		if err != nil || !ok || failed != nil {
			return nil, "IncompleteBody"
		}
		chunk := make([]byte, n+2)
		if _, err := io.ReadFull(reader, chunk); err != nil || !bytes.HasSuffix(chunk, []byte("\r\n")) {
			return nil, "IncompleteBody"
		}
		chunk = chunk[:n]
		text := "AWS4-HMAC-SHA256-PAYLOAD\n" + when + "\n" + before + "\n" + hash(nil) + "\n" + hash(chunk)
		if sign(key, text) != signature {
			return nil, "SignatureDoesNotMatch"
		}
		before = signature
		if n == 0 {
			return body, ""
		}
		body = slices.Concat(body, chunk)
	}
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = io.WriteString(h, text)
	return h.Sum(nil)
}

func sign(key []byte, text string) string { return hex.EncodeToString(mac(key, text)) }
