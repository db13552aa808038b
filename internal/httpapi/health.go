package httpapi

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// health responds with the time as long as the process runs.
func (a *api) health(c echo.Context) error {
	writeJSON(c, http.StatusOK, map[string]string{"status": "UP", "timestamp": a.now().Format(timeLayout)})
	return nil
}

// live responds as long as the process runs.
func (a *api) live(c echo.Context) error {
	writeJSON(c, http.StatusOK, map[string]string{"status": "UP"})
	return nil
}
