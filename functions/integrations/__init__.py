"""What connects the platform with other systems: MCP servers made of OpenAPI documents."""
