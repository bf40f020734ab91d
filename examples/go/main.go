// An API whose endpoint takes access tokens of the tenants named in ISSUERS.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// claims are what this application reads of an access token.
type claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
}

// tenants holds a verifier for each issuer that is served.
type tenants map[string]*oidc.IDTokenVerifier

func discover(ctx context.Context, issuers []string, audience string) (tenants, error) {
	served := tenants{}
	for _, issuer := range issuers {
		provider, err := oidc.NewProvider(ctx, issuer)
		if err != nil {
			return nil, err
		}
		served[issuer] = provider.Verifier(&oidc.Config{
			ClientID:             cmp.Or(audience, issuer),
			SupportedSigningAlgs: []string{oidc.ES256},
		})
	}
	return served, nil
}

// verify gives the claims of an access token that a served tenant issued to an OAuth client.
func (t tenants) verify(ctx context.Context, raw string) (*claims, error) {
	parsed, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, err
	}
	var found claims
	if err := parsed.UnsafeClaimsWithoutVerification(&found); err != nil {
		return nil, err
	}
	verifier, ok := t[found.Issuer]
	if !ok {
		return nil, errors.New("a tenant that is not served here")
	}
	if _, err := verifier.Verify(ctx, raw); err != nil {
		return nil, err
	}
	if found.ClientID == "" {
		return nil, errors.New("not issued to an OAuth client")
	}
	return &found, nil
}

type claimsKey struct{}

// require lets requests through whose token has the scope.
func (t tenants) require(scope string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		scheme, raw, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "a token is needed", http.StatusUnauthorized)
			return
		}
		token, err := t.verify(r.Context(), raw)
		if err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		if !slices.Contains(strings.Fields(token.Scope), scope) {
			w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+scope+`"`)
			http.Error(w, "the token lacks a scope", http.StatusForbidden)
			return
		}
		next(w, r.WithContext(context.WithValue(r.Context(), claimsKey{}, token)))
	}
}

func data(w http.ResponseWriter, r *http.Request) {
	token := r.Context().Value(claimsKey{}).(*claims)
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{
		"tenant": token.Issuer, "user": token.Subject, "data": []string{"yours"},
	})
}

func main() {
	served, err := discover(context.Background(), strings.Fields(os.Getenv("ISSUERS")), os.Getenv("AUDIENCE"))
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /data", served.require("read", data))
	log.Fatal(http.ListenAndServe("localhost:"+cmp.Or(os.Getenv("PORT"), "9000"), nil))
}
