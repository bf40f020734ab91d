package com.example.api;

import java.util.List;

import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

@RestController
class DataController {

    record Data(String tenant, String user, List<String> data) {
    }

    @GetMapping("/data")
    Data data(@AuthenticationPrincipal Jwt token) {
        return new Data(token.getIssuer().toString(), token.getSubject(), List.of("yours"));
    }
}
