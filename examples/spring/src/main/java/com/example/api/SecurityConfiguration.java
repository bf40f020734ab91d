package com.example.api;

import java.util.Arrays;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.security.authentication.AuthenticationManager;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.security.oauth2.jwt.SupplierJwtDecoder;
import org.springframework.security.oauth2.server.resource.authentication.JwtAuthenticationProvider;
import org.springframework.security.oauth2.server.resource.authentication.JwtIssuerAuthenticationManagerResolver;
import org.springframework.security.web.SecurityFilterChain;

/** Takes access tokens of the tenants that are configured, each checked with its own keys. */
@Configuration
class SecurityConfiguration {

    @Bean
    SecurityFilterChain api(HttpSecurity http, @Value("${tenantd.issuers}") String issuers,
            @Value("${tenantd.audience}") String audience) throws Exception {
        Map<String, AuthenticationManager> tenants = Arrays.stream(issuers.split(" "))
            .collect(Collectors.toMap(Function.identity(),
                issuer -> authenticationManager(issuer, audience.isEmpty() ? issuer : audience)));

        return http
            .authorizeHttpRequests(requests -> requests
                .requestMatchers("/data").hasAuthority("SCOPE_read")
                .anyRequest().authenticated())
            .oauth2ResourceServer(server -> server
                .authenticationManagerResolver(new JwtIssuerAuthenticationManagerResolver(tenants::get)))
            .build();
    }

    /** Reads the tenant's metadata with its first token; RFC 9068 says what an access token must have. */
    private static AuthenticationManager authenticationManager(String issuer, String audience) {
        return new JwtAuthenticationProvider(new SupplierJwtDecoder(() -> {
            NimbusJwtDecoder decoder = NimbusJwtDecoder.withIssuerLocation(issuer).validateType(false).build();
            decoder.setJwtValidator(JwtValidators.createAtJwtValidator()
                .issuer(issuer)
                .audience(audience)
                .build());
            return decoder;
        }))::authenticate;
    }
}
