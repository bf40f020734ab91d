from rest_framework.response import Response
from rest_framework.views import APIView

from .tokens import HasScope


class Data(APIView):
    permission_classes = [HasScope]
    required_scope = "read"

    def get(self, request):
        user = request.user
        return Response({"tenant": user.tenant, "user": user.id, "data": ["yours"]})
