"""How people ask about pictures: every question of the picture skills, one module a skill family."""
