package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
)

// errorField is where asynqmon's API puts the last error of a task.
const errorField = "error_message"

// redactErrors rewrites the API's answers, because asynqmon has no formatter
// for errors: the error of a task becomes what errorText makes of it, and what
// the API says when Redis fails becomes our own words.
func redactErrors(api http.Handler, errorText func(string) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := record(api, r)

		if answer.status >= http.StatusInternalServerError {
			http.Error(w, "Redis cannot be asked now", answer.status)

			return
		}

		if bytes.Contains(answer.body.Bytes(), []byte(errorField)) {
			redactedBody, err := redactJSON(answer.body.Bytes(), errorText)
			if err != nil {
				http.Error(w, "the answer cannot be redacted", http.StatusInternalServerError)

				return
			}

			answer.body = *bytes.NewBuffer(redactedBody)
		}

		answer.send(w)
	})
}

func redactJSON(body []byte, errorText func(string) string) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber() // memory and times stay exact

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
