package filters

import (
	"net/http"
	"strings"
)

// Answers that stand in the route.

func contents() []Spec {
	return []Spec{
		NewSpec("status", "code", func(a *Args) Filter {
			code := a.Int("code", 200, 999)
			text := statusText(code)
			return OnResponse(func(c FilterContext) { setStatus(c.Response(), code, text) })
		}),
		NewSpec("inlineContent", "content, type?", func(a *Args) Filter {
			content, mime := a.content()
			return OnRequest(func(c FilterContext) {
				Answer(c, http.StatusOK, http.Header{"Content-Type": {mime}}, content)
			})
		}),
		NewSpec("inlineContentIfStatus", "code, content, type?", func(a *Args) Filter {
			code := a.Int("code", 200, 999)
			content, mime := a.content()
			return OnResponse(func(c FilterContext) {
				if r := c.Response(); r.StatusCode == code {
					r.Header.Set("Content-Type", mime)
					setText(c.OriginalRequest(), r, content)
				}
			})
		}),
	}
}

// content is the next argument, and the one after it or what the content looks like.
func (a *Args) content() (text, mime string) {
	text = a.Text("content")
	mime = http.DetectContentType([]byte(text))
	if a.More() {
		if mime = a.Text("type"); !validValue(mime) || !strings.Contains(mime, "/") {
			a.wrong("type", `a media type like "application/json"`, mime)
		}
	}
	return text, mime
}

// setStatus also takes the body away if the new status has none: a client would take
// what follows for the next answer.
func setStatus(r *http.Response, code int, text string) {
	r.StatusCode, r.Status = code, text
	if !bodyless(code) {
		return
	}
	closeBody(r)
	r.Body, r.ContentLength = http.NoBody, 0
	delete(r.Header, "Content-Length")
	r.TransferEncoding = nil
}
