package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"mmsdispatch/client"
	"mmsdispatch/client/openapi"
)

// exampleService answers as a service does that has accepted one message and delivers it
// between two requests. Its first response is 503.
func exampleService() *httptest.Server {
	var requests atomic.Int64
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := map[bool]string{true: "delivered", false: "sent"}[requests.Load() > 2]
		message := map[string]any{
			"id": "msg_1", "status": status, "updatedAt": time.Unix(requests.Add(1), 0).UTC(),
			"reason": map[string]any{"code": "carrier", "message": "unreachable", "sinchCode": "E104"},
		}
		switch {
		case requests.Load() == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/v1/batches":
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprint(w, `{"id":"bat_1","accepted":1,"duplicates":0,"rejected":1,"results":[{"index":0,"status":"accepted","id":"msg_1"},
				{"index":1,"status":"rejected","error":[{"field":"to","code":"invalid","message":"must be a phone number"}]}]}`)
		case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/cancel"):
			w.WriteHeader(http.StatusConflict)
			fmt.Fprint(w, `{"code":"not_cancelable","status":409,"detail":"The message was accepted by Sinch."}`)
		case r.Method == http.MethodPost:
			w.WriteHeader(http.StatusAccepted)
			message["status"] = "queued"
			_ = json.NewEncoder(w).Encode(message)
		case r.URL.Path == "/v1/messages":
			_ = json.NewEncoder(w).Encode(map[string]any{"data": []any{message, message}, "nextCursor": nil, "complete": true})
		default:
			_ = json.NewEncoder(w).Encode(message)
		}
	}))
}

// connect returns a client of a service.
func connect(service *httptest.Server) *client.Client {
	c, err := client.New(service.URL, "mms_test_…", client.Options{Backoff: time.Millisecond})
	if err != nil {
		panic(err)
	}
	return c
}

func ExampleClient_Send() {
	service := exampleService()
	defer service.Close()

	c, err := client.New(service.URL, "mms_test_…", client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	message, err := c.Send(context.Background(), client.MessageRequest{
		To:              "+12065551212",
		MediaURL:        "https://media.example.com/menu.jpg",
		Text:            "Your table is ready.",
		ClientReference: "table-12",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(message.ID, message.Status)
	// Output: msg_1 queued
}

func ExampleClient_SendBatch() {
	service := exampleService()
	defer service.Close()
	c := connect(service)

	answer, err := c.SendBatch(context.Background(), client.BatchRequest{
		ClientReference: "campaign-7",
		MaxPerSecond:    20,
		Defaults: &client.BatchItem{
			MediaURL: "https://media.example.com/menu.jpg", Text: "Hello {{name|you}}", Template: true,
		},
		Messages: []client.BatchItem{{To: "+12065551212"}, {To: "nobody"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range answer.Results {
		for _, problem := range row.Error {
			fmt.Printf("row %d: %s %s\n", row.Index, problem.Field, problem.Message)
		}
	}
	fmt.Println(answer.Accepted, "accepted")
	// Output:
	// row 1: to must be a phone number
	// 1 accepted
}

func ExampleClient_Wait() {
	service := exampleService()
	defer service.Close()
	c := connect(service)

	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	message, err := c.Wait(ctx, "msg_1", func(m *client.Message) error {
		fmt.Println("it is", m.Status)
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("it ended", message.Status)
	// Output:
	// it is sent
	// it is sent
	// it is delivered
	// it ended delivered
}

func ExampleClient_List() {
	service := exampleService()
	defer service.Close()
	c := connect(service)

	failed := client.Filter{Status: []client.Status{openapi.StatusFailed}, CreatedAfter: time.Now().Add(-24 * time.Hour)}
	for message, err := range c.List(context.Background(), failed) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(message.ID, message.Reason.Code, *message.Reason.SinchCode)
	}
	// Output:
	// msg_1 carrier E104
	// msg_1 carrier E104
}

func ExampleClient_Cancel() {
	service := exampleService()
	defer service.Close()
	c := connect(service)

	_, err := c.Cancel(context.Background(), "msg_1")
	switch problem, ok := errors.AsType[*client.Error](err); {
	case client.HasCode(err, openapi.ProblemCodeNotCancelable):
		fmt.Println("too late:", problem.Detail)
	case ok:
		fmt.Println("refused:", problem)
	case err != nil:
		fmt.Println("no answer:", err)
	}
	// Output: too late: The message was accepted by Sinch.
}

func ExampleReceiver() {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // in reality that of PUT /v1/callback
	receiver, err := client.NewReceiver(secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event, err := receiver.Event(r)
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		message, err := event.Message()
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		fmt.Println(event.ID, event.Type, message.ID)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer application.Close()

	// What the service does:
	hook, _ := standardwebhooks.NewWebhook(secret)
	body, at := `{"type":"message.delivered","data":{"id":"msg_1","status":"delivered"},"sequence":4}`, time.Now()
	signature, _ := hook.Sign("dlv_7", at, []byte(body))
	request, _ := http.NewRequest(http.MethodPost, application.URL, strings.NewReader(body))
	request.Header.Set(standardwebhooks.HeaderWebhookID, "dlv_7")
	request.Header.Set(standardwebhooks.HeaderWebhookTimestamp, fmt.Sprint(at.Unix()))
	request.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	response, err := application.Client().Do(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	fmt.Println(response.Status)
	// Output:
	// dlv_7 message.delivered msg_1
	// 204 No Content
}
