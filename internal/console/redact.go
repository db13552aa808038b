package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
)

// errorField is the field of a task's last error in asynqmon's API.
const errorField = "error_message"

// redactErrors rewrites the API's responses, because asynqmon has no formatter
// for errors: the error of a task passes through errorText, and the API's own
// errors about Redis are replaced.
func redactErrors(api http.Handler, errorText func(string) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := record(api, r)

		if answer.status >= http.StatusInternalServerError {
			http.Error(w, "Redis is unavailable", answer.status)
			return
		}

		if bytes.Contains(answer.body.Bytes(), []byte(errorField)) {
			redactedBody, err := redactJSON(answer.body.Bytes(), errorText)
			if err != nil {
				http.Error(w, "the response cannot be redacted", http.StatusInternalServerError)
				return
			}

			answer.body = *bytes.NewBuffer(redactedBody)
		}

		answer.send(w)
	})
}

func redactJSON(body []byte, errorText func(string) string) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber() // numbers stay exact

	var content any
	if err := decoder.Decode(&content); err != nil {
		return nil, fmt.Errorf("read an answer: %w", err)
	}

	redactTree(content, errorText)

	redactedBody, err := json.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("write an answer: %w", err)
	}
	return redactedBody, nil
}

func redactTree(content any, errorText func(string) string) {
	switch node := content.(type) {
	case []any:
		for _, child := range node {
			redactTree(child, errorText)
		}
	case map[string]any:
		for key, child := range node {
			if text, ok := child.(string); ok && key == errorField && text != "" {
				node[key] = errorText(text)

				continue
			}

			redactTree(child, errorText)
		}
	}
}
