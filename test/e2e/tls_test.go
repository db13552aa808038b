package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/certificate/certificatetest"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/test/harness"
)

// startTLS starts an api that ends TLS by itself.
func startTLS(t *testing.T, pair certificatetest.Pair) (api *harness.Program, url string) {
	t.Helper()
	addr := freePorts.Take(t)
	_, port, _ := strings.Cut(addr, ":")
	return launch(t, "api", map[string]string{
		"PORT": port, "ADMIN_ADDR": freePorts.Take(t), "REDIS_URL": redistest.Start(t).URL(), "SINCH_NUMBER": "+12065550100",
		"API_KEYS": tenant + ":mms_live_AAAAAAAAAAAAAAAAAAAAAAAA", "TLS_CERT_FILE": pair.CertFile, "TLS_KEY_FILE": pair.KeyFile,
	}, "api"), "https://" + addr
}

// handshake makes a request over a new connection, and returns the response and the serial
// number of the certificate it came under.
func handshake(t *testing.T, url string, config *tls.Config) (*http.Response, string, error) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: transport, Timeout: requestTimeout}).Do(request)
	if err != nil {
		return nil, "", err
	}
	_ = response.Body.Close()
	return response, response.TLS.PeerCertificates[0].SerialNumber.String(), nil
}

func trusting(cert *x509.Certificate, config *tls.Config) *tls.Config {
	config.RootCAs = x509.NewCertPool()
	config.RootCAs.AddCert(cert)
	return config
}

func TestTLSWithHTTP2AndRenewal(t *testing.T) {
	t.Parallel()
	pair := certificatetest.New(t)
	api, url := startTLS(t, pair)
	cert := pair.Certificate(t)
	harness.Await(t, "a response over TLS", harness.Patience, func() (bool, string) {
		response, _, err := handshake(t, url+"/livez", trusting(cert, &tls.Config{MinVersion: tls.VersionTLS12}))
		if err != nil {
			return false, err.Error()
		}
		if response.ProtoMajor != 2 || response.StatusCode != http.StatusOK {
			t.Fatalf("%s %s", response.Proto, response.Status)
		}
		return true, ""
	})
	old := trusting(cert, &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}) // refused is what it must be
	if _, _, err := handshake(t, url+"/livez", old); err == nil {
		t.Error("TLS 1.1 is served")
	}
	renewed := pair.Renew(t)
	harness.Await(t, "the renewed certificate", time.Minute, func() (bool, string) {
		_, serial, err := handshake(t, url+"/livez", trusting(renewed, &tls.Config{MinVersion: tls.VersionTLS12}))
		return err == nil && serial == renewed.SerialNumber.String(), serial
	})
	if !api.Running() || strings.Contains(string(api.Log()), "PRIVATE KEY") {
		t.Errorf("log:\n%s", api.Log())
	}
}

func TestUnusableCertificateIsReportedAtStart(t *testing.T) {
	t.Parallel()
	pair := certificatetest.New(t)
	pair.CertFile = pair.KeyFile
	api, _ := startTLS(t, pair)
	if code := api.Wait(harness.Patience); code == 0 || !strings.Contains(string(api.Log()), "TLS_CERT_FILE") {
		t.Errorf("exit code %d, log:\n%s", code, api.Log())
	}
}
