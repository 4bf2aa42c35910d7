package filters

import (
	"fmt"
	"strings"
)

// A Template is text with placeholders, as in Skipper. It is parsed once and never changes.
//
//	${name}                    a parameter of the route's path, decoded
//	${request.method} ${request.host} ${request.path} ${request.rawQuery}
//	${request.query.NAME} ${request.header.NAME} ${request.cookie.NAME}
//	${request.source}          the client's address as far as proxies are trusted (F6); also
//	                           ${request.sourceFromLast} and ${request.clientIP}: what Skipper
//	                           takes from X-Forwarded-For, anybody can write there
//	${response.header.NAME}    where there is an answer already
type Template struct {
	parts []part
	text  string
}

// part is a piece of text, or a placeholder if of is not nil.
type part struct {
	text string // also the name in a placeholder
	of   func(c FilterContext, name string) (string, bool)
	// path says that it is a parameter of the path.
	path bool
}

// ParseTemplate parses text. An error says what is wrong with a placeholder.
func ParseTemplate(text string) (*Template, error) {
	t := &Template{text: text}
	for rest := text; rest != ""; {
		before, after, found := strings.Cut(rest, "${")
		if before != "" {
			t.parts = append(t.parts, part{text: before})
		}
		if !found {
			break
		}
		name, behind, closed := strings.Cut(after, "}")
		if !closed || name == "" {
			return nil, fmt.Errorf("template %q: a placeholder is written ${name}", text)
		}
		p, err := placeholder(name)
		if err != nil {
			return nil, fmt.Errorf("template %q: %w", text, err)
		}
		t.parts, rest = append(t.parts, p), behind
	}
	return t, nil
}

func placeholder(name string) (part, error) {
	if of := sources[name]; of != nil {
		return part{text: name, of: of}, nil
	}
	for prefix, of := range prefixed {
		if rest, is := strings.CutPrefix(name, prefix); is && rest != "" {
			return part{text: rest, of: of}, nil
		}
	}
	if strings.HasPrefix(name, "request.") || strings.HasPrefix(name, "response.") {
		return part{}, fmt.Errorf("there is no ${%s}; see the placeholders of filters.Template", name)
	}
	return part{text: name, of: ofPath, path: true}, nil
}

// sources and prefixed are never changed.
var sources = map[string]func(FilterContext, string) (string, bool){
	"request.method":         func(c FilterContext, _ string) (string, bool) { return c.Request().Method, true },
	"request.host":           func(c FilterContext, _ string) (string, bool) { return c.OriginalRequest().Host, true },
	"request.path":           func(c FilterContext, _ string) (string, bool) { return c.Request().URL.Path, true },
	"request.rawQuery":       func(c FilterContext, _ string) (string, bool) { return c.Request().URL.RawQuery, true },
	"request.source":         ofClient,
	"request.sourceFromLast": ofClient,
	"request.clientIP":       ofClient,
}

var prefixed = map[string]func(FilterContext, string) (string, bool){
	"request.query.": func(c FilterContext, name string) (string, bool) {
		values := c.Request().URL.Query()[name]
		return first(values)
	},
	"request.header.": func(c FilterContext, name string) (string, bool) {
		return first(c.Request().Header.Values(name))
	},
	"request.cookie.": func(c FilterContext, name string) (string, bool) {
		cookie, err := c.Request().Cookie(name)
		if err != nil {
			return "", false
		}
		return cookie.Value, true
	},
	"response.header.": func(c FilterContext, name string) (string, bool) {
		if c.Response() == nil {
			return "", false
		}
		return first(c.Response().Header.Values(name))
	},
}

func first(values []string) (string, bool) {
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
}

func ofPath(c FilterContext, name string) (string, bool) {
	v := c.PathParam(name)
	return v, v != ""
}

func ofClient(c FilterContext, _ string) (string, bool) {
	if !c.Client().IsValid() {
		return "", false
	}
	return c.Client().String(), true
}

// String is the template as it was written.
func (t *Template) String() string { return t.text }

// Constant tells whether there are no placeholders.
func (t *Template) Constant() bool {
	return len(t.parts) == 0 || len(t.parts) == 1 && t.parts[0].of == nil
}

// Eval is the text with values in the place of placeholders. It is false if one of them has
// none; the text has nothing there.
func (t *Template) Eval(c FilterContext) (string, bool) { return t.eval(c, nil) }

// eval passes what comes from placeholders through escape, if it is not nil.
func (t *Template) eval(c FilterContext, escape func(value string, ofPath bool) string) (string, bool) {
	if t.Constant() {
		return t.text, true
	}
	whole, text := true, ""
	for i := range t.parts {
		p := &t.parts[i]
		piece := p.text
		if p.of != nil {
			value, ok := p.of(c, p.text)
			whole = whole && ok
			if escape != nil {
				value = escape(value, p.path)
			}
			piece = value
		}
		if i == 0 {
			text = piece
		} else {
			text += piece
		}
	}
	return text, whole
}
