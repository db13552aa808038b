package httpapi

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// health answers as long as the process runs, with the time.
func (a *api) health(c echo.Context) error {
	writeJSON(c, http.StatusOK, map[string]string{"status": "UP", "timestamp": a.now().Format(timeLayout)})
	return nil
}

// live answers as long as the process runs.
func (a *api) live(c echo.Context) error {
	writeJSON(c, http.StatusOK, map[string]string{"status": "UP"})
	return nil
}
