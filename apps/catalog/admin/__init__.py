"""The staff's pages of what is on offer. Every change reaches running gateways at once."""

from apps.catalog.admin.deployments import DeploymentAdmin
from apps.catalog.admin.engines import EngineSpanAdmin
from apps.catalog.admin.models import ModelAdmin
from apps.catalog.admin.prices import PriceAdmin
from apps.catalog.admin.routing import RoutingAdmin

__all__ = ["DeploymentAdmin", "EngineSpanAdmin", "ModelAdmin", "PriceAdmin", "RoutingAdmin"]
